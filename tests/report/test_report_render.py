import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_fakes import CONTROLS, ORDER, fake_images, fake_log, fake_results, result, write_inputs

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.report import plots
from unidad.report.grids import MARGIN, SECTION_GAP, enlarge
from unidad.report.outputs import report_files
from unidad.report.render import RunFile, _row_label, styles_of, write_report
from unidad.style import PALETTE
from unidad.tasks.generation import Generation

CAPTIONS = sorted((Path(__file__).parents[2] / "workflow" / "report").glob("*.rst"))


def files_in(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_report_is_exactly_the_files_it_announces(tmp_path):
    inputs = write_inputs(tmp_path / "in", fake_results())
    write_report(*inputs, tmp_path / "out", Generation, ORDER)
    assert files_in(tmp_path / "out") == sorted(
        report_files([("babies", 10), ("cats", 10)], Generation.plots)
    )
    assert len(pd.read_csv(tmp_path / "out" / "tables" / "all.csv")) == len(inputs[0])


def test_a_whole_set_is_a_block_of_its_own(tmp_path):
    results = [result("DMD2", target="source", shots=None), result("FT", nfe=25)]
    results.append(result("Source teacher", target="source", shots=None, nfe=25))
    metrics, _, _, training = write_inputs(tmp_path / "in", results, ("babies",))
    training["source", None] = tmp_path / "source.npz"
    ImageSet(fake_images(45)).save(training["source", None])
    samples = [RunFile("source", None, "DMD2", training["source", None], 3)]
    logs = [RunFile("source", None, "DMD2", tmp_path / "training.csv")]
    fake_log().to_csv(logs[0].path, index=False)
    write_report(metrics, logs, samples, training, tmp_path / "out", Generation, ["FT", "DMD2"])
    assert files_in(tmp_path / "out") == sorted(
        report_files([("babies", 10), ("source", None)], Generation.plots)
    )
    assert "grids/source_all.png" in files_in(tmp_path / "out")
    with Image.open(tmp_path / "out" / "grids" / "source_all.png") as picture:
        assert picture.height == 2 * 64 + 2 * MARGIN + SECTION_GAP
    text = (tmp_path / "out" / "tables" / "comparison.md").read_text()
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == ["## source, all images", "## babies, 10 shots"]
    assert "| DMD2 | 3 | 5.00 |" in text


def test_grid_rows_follow_the_order_whatever_the_inputs_order(tmp_path):
    metrics, logs, samples, training = write_inputs(tmp_path / "in", fake_results(seeds=(0,)))
    write_report(metrics, logs[::-1], samples[::-1], training, tmp_path / "out", Generation, ORDER)
    picture = np.asarray(Image.open(tmp_path / "out" / "grids" / "babies_shots10.png"))
    right = picture[:, -MARGIN - 64 : -MARGIN]
    tops = [MARGIN + 64 + SECTION_GAP + 68 * i for i in range(len(ORDER) + 1)]
    for i, top in enumerate(tops, start=1):
        tenth = enlarge(fake_images(12, seed=i)[9:10], 2)[0]
        np.testing.assert_array_equal(right[top : top + 64], tenth)


def test_samples_stand_above_the_training_images_they_are_nearest_to_with_the_ratio(tmp_path):
    inputs = write_inputs(tmp_path / "in", fake_results(seeds=(0,)))
    write_report(*inputs, tmp_path / "out", Generation, ORDER)
    picture = np.asarray(Image.open(tmp_path / "out" / "grids" / "nearest_babies_shots10.png"))
    left = picture.shape[1] - MARGIN - 10 * 68 + 4
    top = MARGIN + 64 + SECTION_GAP
    strips = [fake_images(12, seed=1)[[3, 1]], fake_images(10)[[7, 0]]]
    for strip, images in enumerate(strips):
        for column, image in enumerate(enlarge(images, 2)):
            x, y = left + 68 * column, top + 68 * strip
            shown = picture[y : y + 64, x : x + 64]
            np.testing.assert_array_equal(shown[:45], image[:45])
            noted = (shown[45:] != image[45:]).any()
            assert noted == bool(strip)
            if noted:
                assert shown[50:62, 2:24].min() == 0
                assert shown[50:62, 2:24].max() > 200


def test_each_figure_of_curves_has_its_own_blocks_logs(tmp_path, monkeypatch):
    drawn = {}

    def spy(logs, styles, title):
        drawn[title] = [(variant, len(log)) for variant, log in logs]
        return real(logs, styles, title)

    real = plots.training_curves
    monkeypatch.setattr(plots, "training_curves", spy)
    metrics, logs, samples, training = write_inputs(tmp_path / "in", fake_results(seeds=(0,)))
    for log in logs:
        if log.target == "cats":
            fake_log(iterations=50).to_csv(log.path, index=False)
    write_report(metrics, logs[::-1], samples, training, tmp_path / "out", Generation, ORDER)
    assert drawn["babies, 10 shots"] == [(variant, 600) for variant in ORDER]
    assert drawn["cats, 10 shots"] == [(variant, 50) for variant in ORDER]


def test_colours_stay_with_a_variant_when_another_was_not_run():
    metrics = [result("Uni-DAD"), result("unlisted"), result("Source teacher", nfe=25)]
    styles = styles_of(metrics, ["Source teacher", *ORDER])
    assert styles["Uni-DAD"].color == PALETTE[5]
    assert styles["unlisted"].color == PALETTE[6]
    assert list(styles)[-1] == "Source teacher"
    assert not set(CONTROLS[1:]) & set(styles)


@pytest.mark.parametrize(
    ("variant", "nfe", "label"),
    [
        ("FT", 25, "FT, NFE 25"),
        ("Uni-DAD (no target teacher)", 3, "Uni-DAD, NFE 3\n(no target teacher)"),
        ("Held-out images", None, "Held-out images"),
        ("a (b) (c)", None, "a\n(b) (c)"),
    ],
)
def test_row_labels(variant, nfe, label):
    assert _row_label(RunFile("babies", 10, variant, Path(), nfe)) == label


def test_missing_and_broken_inputs_are_named(tmp_path):
    with pytest.raises(UserError, match="no metrics files"):
        write_report([], [], [], {}, tmp_path, Generation, ORDER)
    metrics = tmp_path / "metrics.json"
    metrics.write_text(json.dumps(result()))
    ImageSet(fake_images(10)).save(tmp_path / "training.npz")
    training = {("babies", 10): tmp_path / "training.npz"}
    log = tmp_path / "training.csv"
    logs = [RunFile("babies", 10, "Uni-DAD", log)]
    with pytest.raises(UserError, match=r"training\.csv: no such training log"):
        write_report([metrics], logs, [], training, tmp_path / "out", Generation, ORDER)
    for text in ("", "step,loss\n1,2\n", "iteration,loss\n1,high\n"):
        log.write_text(text)
        with pytest.raises(UserError, match=r"training\.csv: not a training log"):
            write_report([metrics], logs, [], training, tmp_path / "out", Generation, ORDER)


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
def test_captions_are_valid_templates_and_restructured_text(caption):
    jinja2 = pytest.importorskip("jinja2")
    core = pytest.importorskip("docutils.core")
    text = jinja2.Template(caption.read_text(), undefined=jinja2.StrictUndefined).render()
    body = core.publish_parts(
        text, writer="html", settings_overrides={"report_level": 1, "halt_level": 2}
    )["body"]
    assert "<p>" in body


def test_there_is_a_caption_for_everything_shown():
    assert [path.stem for path in CAPTIONS] == [
        "contact_sheet",
        "cost",
        "diversity",
        "fidelity",
        "fidelity_updates",
        "grid",
        "nearest",
        "overview",
        "prompt_updates",
        "quality_copies",
        "quality_diversity",
        "quality_minutes",
        "quality_nfe",
        "quality_updates",
        "table",
        "training_curves",
    ]
