import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from report_fakes import CONTROLS, ORDER, fake_log, fake_results, result

from unidad.report import plots
from unidad.report.comparison import comparison
from unidad.report.logs import smooth
from unidad.style import CONTROL_COLOR, MARKERS, PALETTE, variant_styles
from unidad.tasks.generation import Generation
from unidad.tasks.personalisation import Personalisation

AGAINST_NFE, AGAINST_DIVERSITY, AGAINST_UPDATES, AGAINST_MINUTES, AGAINST_COPIES = Generation.plots
STYLES = variant_styles(ORDER, CONTROLS)


def containers(axes):
    """Label → (x, y, error bar segments) of every errorbar drawn."""
    drawn = {}
    for container in axes.containers:
        line, _, bars = container.lines
        segments = [segment for bar in bars for segment in bar.get_segments()]
        drawn[container.get_label()] = (line, segments)
    return drawn


def legend_labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_styles_follow_the_order_and_differ():
    assert STYLES["FT"].color == PALETTE[0]
    assert STYLES["Uni-DAD"].color == PALETTE[5]
    assert {STYLES[name].color for name in CONTROLS} == {CONTROL_COLOR}
    assert len({(style.color, style.marker) for style in STYLES.values()}) == len(STYLES)
    many = variant_styles([str(i) for i in range(len(PALETTE) * len(MARKERS))])
    assert len(set(many.values())) == len(many)


def test_quality_against_nfe_joins_points_in_order():
    metrics = [
        result("FT", nfe=50, trained_nfe=25, frechet_distance=4.0),
        result("FT", nfe=25, seed=0, frechet_distance=5.0),
        result("FT", nfe=25, seed=1, frechet_distance=7.0),
        result("FT", nfe=4, trained_nfe=25, frechet_distance=20.0),
        result("Uni-DAD", frechet_distance=3.0),
        result("Source teacher", nfe=25, frechet_distance=60.0),
        result("Held-out images", nfe=None, frechet_distance=0.2),
        result("Training images", nfe=None, frechet_distance=None),
    ]
    figure = plots.metric_plot(AGAINST_NFE, metrics, STYLES, ORDER)
    (axes,) = figure.axes
    drawn = containers(axes)
    line, bars = drawn["FT"]
    assert line.get_xdata().tolist() == [4, 25, 50]
    assert line.get_ydata().tolist() == [20, 6, 4]
    assert line.get_color() == STYLES["FT"].color
    assert bars[1][:, 1] == pytest.approx([6 - np.sqrt(2), 6 + np.sqrt(2)])
    assert bars[0][:, 1] == pytest.approx([20, 20])
    assert drawn["Uni-DAD"][0].get_xydata().tolist() == [[3, 3]]
    assert drawn["Source teacher"][0].get_color() == CONTROL_COLOR
    (level,) = [line for line in axes.lines if line.get_label() == "Held-out images"]
    assert set(level.get_ydata()) == {0.2}
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xticks().tolist() == [3, 4, 25, 50]
    assert axes.get_ylabel() == "FD (synthetic features), lower is better"
    assert legend_labels(figure) == ["FT", "Uni-DAD", "Source teacher", "Held-out images"]


def test_quality_against_diversity_has_a_panel_a_target():
    metrics = [
        result("FT", seed=0, frechet_distance=4.0, intra_lpips=0.2),
        result("FT", seed=1, frechet_distance=6.0, intra_lpips=0.4),
        result("Uni-DAD", target="cats", frechet_distance=3.0, intra_lpips=0.5),
        result("Held-out images", nfe=None, frechet_distance=0.2, intra_lpips=0.6),
        result("Training images", nfe=None, frechet_distance=30.0, intra_lpips=None),
    ]
    figure = plots.metric_plot(AGAINST_DIVERSITY, metrics, STYLES, ORDER)
    babies, cats = figure.axes
    assert [babies.get_title(), cats.get_title()] == ["babies, 10 shots", "cats, 10 shots"]
    drawn = containers(babies)
    assert set(drawn) == {"FT", "Held-out images"}
    line, bars = drawn["FT"]
    assert line.get_xydata()[0] == pytest.approx([0.3, 5.0])
    assert bars[0][:, 0] == pytest.approx([0.3 - np.sqrt(0.02), 0.3 + np.sqrt(0.02)])
    assert drawn["Held-out images"][0].get_color() == CONTROL_COLOR
    assert containers(cats)["Uni-DAD"][0].get_xydata()[0] == pytest.approx([0.5, 3.0])
    assert legend_labels(figure) == ["FT", "Uni-DAD", "Held-out images"]


def test_quality_against_updates_goes_through_the_snapshots():
    def on_the_way(first, second):
        distances = {200: first, 400: second}
        return [
            {"updates": updates, "metrics": {"frechet_distance": distance}}
            for updates, distance in distances.items()
        ]

    metrics = [
        result("Uni-DAD", seed=0, frechet_distance=4.0, trajectory=on_the_way(20.0, 7.0)),
        result("Uni-DAD", seed=1, frechet_distance=6.0, trajectory=on_the_way(24.0, 9.0)),
        result("FT", nfe=25, frechet_distance=3.0),
        result("FT", nfe=5, trained_nfe=25, frechet_distance=99.0),
        result("Source teacher", nfe=25),
    ]
    figure = plots.metric_plot(AGAINST_UPDATES, metrics, STYLES, ORDER)
    (axes,) = figure.axes
    (alone, _), (curve, bars) = (
        (container.lines[0], container.lines[2][0].get_segments()) for container in axes.containers
    )
    assert alone.get_xydata().tolist() == [[600, 3]]
    assert curve.get_xydata().tolist() == [[200, 22], [400, 8], [600, 5]]
    assert curve.get_color() == STYLES["Uni-DAD"].color
    assert bars[2][:, 1] == pytest.approx([5 - np.sqrt(2), 5 + np.sqrt(2)])
    assert axes.get_yscale() == "log"
    assert legend_labels(figure) == ["FT", "Uni-DAD"]


def test_quality_against_minutes_counts_the_stages_before():
    """600 updates took 60 s, the run before it 30 s: 200 updates are reached after 50 s."""
    snapshots = [{"updates": 200, "metrics": {"frechet_distance": 20.0}}]
    metrics = [
        result("Uni-DAD", trajectory=snapshots),
        result("Uni-DAD", seed=1, training_seconds_total=120.0, trajectory=snapshots),
        result("Source teacher", nfe=25),
        result("FT", nfe=25, training_seconds_total=None),
    ]
    figure = plots.metric_plot(AGAINST_MINUTES, metrics, STYLES, ORDER)
    (container,) = figure.axes[0].containers
    curve = container.lines[0].get_xydata()
    assert curve == pytest.approx(np.array([[65 / 60, 20], [105 / 60, 5]]))
    across = container.lines[2][0].get_segments()[1][:, 0]
    assert across == pytest.approx([1.75 - np.sqrt(0.125), 1.75 + np.sqrt(0.125)])
    assert figure.axes[0].get_xlabel() == "training minutes, all stages"


def test_distance_against_copies_goes_through_the_snapshots_in_their_order():
    snapshots = [
        {"updates": 200, "metrics": {"frechet_distance": 20.0, "memorisation": 0.3}},
        {"updates": 400, "metrics": {"frechet_distance": 9.0, "memorisation": 0.0}},
    ]
    metrics = [
        result("Uni-DAD", memorisation=0.1, trajectory=snapshots),
        result("FT", nfe=25, memorisation=None),
    ]
    (axes,) = plots.metric_plot(AGAINST_COPIES, metrics, STYLES, ORDER).axes
    (container,) = axes.containers
    assert container.lines[0].get_xydata().tolist() == [[0.3, 20], [0.0, 9], [0.1, 5]]
    assert axes.lines[-1].get_xydata().tolist() == [[0.1, 5]]
    assert axes.get_xlabel() == "memorisation, lower is better"


def test_fidelity_against_updates_is_measured_like_the_rest():
    def measured(score):
        return {"instance_similarity": score, "clip_t": score / 2}

    snapshots = [{"updates": 200, "metrics": measured(0.2)}]
    metrics = [result("Uni-DAD", **measured(0.6), trajectory=snapshots)]
    for plot, last in zip(Personalisation.plots[2:], (0.6, 0.3), strict=True):
        (axes,) = plots.metric_plot(plot, metrics, STYLES).axes
        curve = axes.containers[0].lines[0].get_xydata()
        assert curve == pytest.approx(np.array([[200, last / 3], [600, last]]))
        assert axes.get_yscale() == "linear"


def test_a_long_label_of_the_vertical_axis_takes_two_lines():
    metrics = [result("Uni-DAD", instance_similarity=0.6, clip_t=0.3)]
    (axes,) = plots.metric_plot(Personalisation.plots[0], metrics, STYLES).axes
    features = "(synthetic features), higher is better"
    assert axes.get_ylabel() == f"instance similarity\n{features}"
    assert axes.get_xlabel() == f"CLIP-T {features}"


def test_a_whole_set_has_a_panel():
    metrics = [result("FT", shots=None), result("FT", frechet_distance=2.0)]
    for figure in (
        plots.metric_plot(AGAINST_NFE, metrics, STYLES),
        plots.metric_plot(AGAINST_DIVERSITY, metrics, STYLES),
    ):
        titles = [axes.get_title() for axes in figure.axes]
        assert titles == ["babies, all images", "babies, 10 shots"]
        levels = [containers(axes)["FT"][0].get_ydata()[0] for axes in figure.axes]
        assert levels == [5.0, 2.0]


def test_smoothing_is_a_centred_mean():
    values = pd.Series([0.0, 3.0, 6.0, 0.0, 3.0] * 15)  # 75 points: a window of 3
    smoothed = smooth(values)
    assert smoothed[:4].tolist() == pytest.approx([1.5, 3.0, 3.0, 3.0])
    assert len(smoothed) == 75
    few = pd.Series([5.0, 1.0])
    assert smooth(few).tolist() == [5.0, 1.0]


def test_training_curves_skip_empty_cells():
    log = pd.DataFrame(
        {
            "iteration": [1, 2, 3, 4],
            "seconds": [1, 2, 3, 4],
            "gan_student": [np.nan, -2.0, np.nan, 4.0],
            "fake_score_denoising": [100.0, 10.0, 2.0, 1.0],
            "never_logged": [np.nan] * 4,
        }
    )
    short = log[["iteration", "seconds", "fake_score_denoising"]]
    logs = [("Uni-DAD", log), ("FT", short), ("FT", short)]
    figure = plots.training_curves(logs, STYLES, "babies, 10 shots")
    gan, fake = figure.axes
    assert [gan.get_title(), fake.get_title()] == ["gan student", "fake score denoising"]
    (line,) = gan.lines
    assert line.get_xydata().tolist() == [[2, -2], [4, 4]]
    assert line.get_color() == STYLES["Uni-DAD"].color
    colors = [line.get_color() for line in fake.lines]
    assert colors == [STYLES["Uni-DAD"].color, STYLES["FT"].color, STYLES["FT"].color]
    assert (gan.get_yscale(), fake.get_yscale()) == ("linear", "log")
    assert legend_labels(figure) == ["FT", "Uni-DAD"]
    assert figure.get_suptitle() == "babies, 10 shots"


def test_training_curves_of_nothing():
    figure = plots.training_curves([], STYLES, "babies, 10 shots")
    assert figure.axes == []


def test_cost_bars():
    metrics = [
        result("FT-DMD2", training_seconds=60.0, training_seconds_total=180.0),
        result("FT-DMD2", target="cats", training_seconds=180.0, training_seconds_total=300.0),
        result("FT", nfe=25, training_seconds_total=120.0, training_seconds=120.0),
        result("Source teacher", nfe=50, training_seconds=None, training_seconds_total=None),
        result("Held-out images", nfe=None),
    ]
    metrics[2]["cost"]["images_per_second"] = 4.0
    figure = plots.cost(comparison(metrics, ORDER), STYLES)
    minutes, nfe, speed = figure.axes
    own, before = minutes.containers
    assert [bar.get_width() for bar in own] == pytest.approx([2, 2, 0])
    assert [bar.get_x() for bar in before] == pytest.approx([2, 2, 0])
    assert [bar.get_width() for bar in before] == pytest.approx([0, 2, 0])
    assert [bar.get_width() for bar in nfe.containers[0]] == [25, 3, 50]
    assert [bar.get_width() for bar in speed.containers[0]] == [4, 40, 40]
    assert [label.get_text() for label in minutes.get_yticklabels()] == [
        "FT",
        "FT-DMD2",
        "Source teacher",
    ]
    assert [text.get_text() for text in minutes.texts] == ["2", "4", ""]
    assert to_hex(own[1].get_facecolor()).upper() == STYLES["FT-DMD2"].color
    assert minutes.yaxis_inverted()


@pytest.mark.parametrize("targets", [("babies",), ("babies", "sunglasses", "portraits", "cats")])
def test_no_text_is_clipped_or_overlaps(targets, tmp_path):
    metrics = fake_results(targets)
    rows = comparison(metrics, ORDER)
    figures = [
        plots.metric_plot(AGAINST_NFE, metrics, STYLES, ORDER),
        plots.metric_plot(AGAINST_DIVERSITY, metrics, STYLES, ORDER),
        plots.metric_plot(AGAINST_UPDATES, metrics, STYLES, ORDER),
        plots.cost(rows, STYLES),
        plots.training_curves([("FT", fake_log(50))], STYLES, "babies, 10 shots"),
    ]
    for figure in figures:
        plots.save(figure, tmp_path / "plot.png")
        boxes = [a.get_tightbbox() for a in figure.axes] + [
            legend.get_window_extent() for legend in figure.legends
        ]
        width, height = figure.bbox.width, figure.bbox.height
        for box in boxes:
            assert box.x0 >= -1
            assert box.y0 >= -1
            assert box.x1 <= width + 1
            assert box.y1 <= height + 1
        legend = boxes[-1]
        assert all(box.y0 >= legend.y1 - 1 for box in boxes[:-1])


def test_save_writes_a_png_at_150_dpi(tmp_path):
    figure = plots.cost(comparison([result()]), STYLES)
    plots.save(figure, tmp_path / "new" / "cost.png")
    with Image.open(tmp_path / "new" / "cost.png") as picture:
        assert picture.format == "PNG"
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        assert picture.width == round(figure.get_figwidth() * 150)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["cost.png"]
