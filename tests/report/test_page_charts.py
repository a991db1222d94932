from pathlib import Path

import pytest
from report_fakes import fake_log, fake_results, result

from unidad.experiment.load import load_config
from unidad.plan import Plan
from unidad.report.page.charts import POINTS, charts, curves


@pytest.fixture
def plan(tmp_path):
    return Plan(load_config("config.yaml"), str(tmp_path))


def series(chart, variant, block=0):
    (found,) = (s for s in chart["series"] if (s["variant"], s["block"]) == (variant, block))
    return found


def test_each_plot_has_the_values_of_the_table_with_deviations_over_seeds(plan):
    metrics = [
        result("FT", seed, nfe=nfe, trained_nfe=25, frechet_distance=fd, intra_lpips=0.1 * seed)
        for nfe, distances in ((25, (2.0, 4.0)), (11, (6.0, 6.0)))
        for seed, fd in enumerate(distances)
    ]
    metrics.append(result("Held-out images", nfe=None, frechet_distance=0.2))
    against_nfe, against_diversity, *_ = charts(plan, metrics)
    assert against_nfe["x"]["log"]
    assert against_nfe["y"] == {"label": "FD (synthetic features), lower is better", "log": True}
    assert series(against_nfe, "FT") == {
        "block": 0,
        "variant": "FT",
        "kind": "line",
        "points": [[11, 6.0, None, 0.0], [25, 3.0, None, 1.4142]],
    }
    level = series(against_nfe, "Held-out images")
    assert (level["kind"], level["points"]) == ("level", [[None, 0.2, None, None]])
    assert series(against_diversity, "FT")["points"] == [[0.05, 3.0, 0.070711, 1.4142]]


def test_what_is_followed_goes_through_its_snapshots(plan):
    metrics = fake_results(seeds=(0,))
    chart = {one["title"]: one for one in charts(plan, metrics)}["FD against student updates"]
    found = series(chart, "Uni-DAD", block=1)
    assert found["updates"] == [200, 400, 600]
    assert [point[0] for point in found["points"]] == [200, 400, 600]
    last = [m for m in metrics if m["run"]["target"] == "cats" and m["run"]["nfe"] == 3]
    (last,) = (m for m in last if m["run"]["variant"] == "Uni-DAD")
    assert found["points"][-1][1] == pytest.approx(last["metrics"]["frechet_distance"], rel=1e-4)


def test_curves_are_of_every_run_and_thinned(plan):
    for run in plan.runs():
        folder = Path(plan.root) / "runs" / run.key
        folder.mkdir(parents=True)
        log = fake_log(3000, run.seed)
        log.to_csv(folder / "training.csv", index=False)
    found = curves(plan)
    assert [(c["variant"], c["seed"]) for c in found] == [(r.label, r.seed) for r in plan.runs()]
    losses = found[0]["losses"]
    assert list(losses) == ["dmd_source", "dmd_target", "gan_student", "fake_score_denoising"]
    points = losses["dmd_source"]
    assert len(points) <= POINTS + 1
    assert (points[0][0], points[-1][0]) == (1, 3000)


def test_plots_of_which_nothing_was_measured_are_left_out(plan):
    metrics = [result("FT", frechet_distance=None, intra_lpips=0.3, memorisation=0.1)]
    assert charts(plan, metrics) == []
