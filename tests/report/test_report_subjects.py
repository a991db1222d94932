"""The report of a personalisation experiment: its own columns, plots and grids."""

import numpy as np
import pytest
from PIL import Image
from report_fakes import fake_images, write_inputs
from report_fakes import result as domain_result

from unidad.report.comparison import comparison, with_mean_of_targets
from unidad.report.outputs import report_files
from unidad.report.published import published_value
from unidad.report.render import write_report
from unidad.report.tables import table
from unidad.tasks.generation import Generation
from unidad.tasks.personalisation import ALL_SUBJECTS, Personalisation

ORDER = ["FT", "DMD2-FT", "Uni-DAD"]


def result(variant, target, nfe=1, **values):
    content = domain_result(variant, 0, nfe, target, 5, **values)
    scores = {"instance_similarity": 0.5, "clip_i": 0.6, "clip_t": 0.3, "intra_lpips": 0.4}
    content["metrics"] = {**scores, "inter_lpips": 0.5, "prompt_success": 0.7, **values}
    return content


def results():
    return [
        result(variant, target, 25 if variant == "FT" else 1, clip_t=0.2 + 0.1 * i + 0.02 * j)
        for i, target in enumerate(("cat", "vase"))
        for j, variant in enumerate(ORDER)
    ]


def test_the_mean_of_subjects_is_theirs_alone():
    subjects = [result("FT", "cat", clip_t=0.2, clip_i=None), result("FT", "vase", clip_t=0.5)]
    both = with_mean_of_targets(subjects, ALL_SUBJECTS)
    assert len(both) == 3
    assert both[2]["run"]["target"] == ALL_SUBJECTS
    assert both[2]["metrics"]["clip_t"] == pytest.approx(0.35)
    assert both[2]["metrics"]["clip_i"] is None
    one_only = [result("FT", "cat"), result("FT", "vase"), result("Uni-DAD", "vase")]
    assert [m["run"]["variant"] for m in with_mean_of_targets(one_only, ALL_SUBJECTS)[3:]] == ["FT"]
    domains = [domain_result("FT", target=target) for target in ("babies", "cats")]
    assert with_mean_of_targets(domains, Generation.mean_of_targets) == domains


@pytest.mark.parametrize(
    ("variant", "nfe", "metric", "value"),
    [
        ("Uni-DAD", 1, "instance_similarity", 0.47),
        ("DMD2-FT", 1, "clip_t", 0.26),
        ("FT", 25, "clip_i", 0.77),
        ("EchoDistill", 1, "instance_similarity", 0.637),
        ("FT-DMD2", 1, "intra_lpips", 0.22),
    ],
)
def test_the_papers_numbers_stand_beside_the_mean_of_subjects(variant, nfe, metric, value):
    assert published_value(ALL_SUBJECTS, variant, metric, nfe, 5).value == value
    assert published_value("cat", variant, metric, nfe, 5) is None


def test_table_of_subjects():
    metrics = with_mean_of_targets(results(), ALL_SUBJECTS)
    laid_out = table(comparison(metrics, ORDER, Personalisation.papers), Personalisation)
    assert [block.title for block in laid_out.blocks] == [
        "cat, 5 shots",
        "vase, 5 shots",
        "mean of subjects, 5 shots",
    ]
    assert laid_out.theirs == tuple(range(len(laid_out.header) - 5, len(laid_out.header)))
    column = [head.split(" (")[0] for head in laid_out.header].index("CLIP-T") - 1
    cells = laid_out.blocks[2].rows[2].cells
    assert (cells[column].text, cells[column].bold) == ("0.290", True)
    assert cells[-5].text == "0.47"
    assert laid_out.blocks[0].rows[2].cells[-5].text == "–"
    assert not any(head.startswith("FD") for head in laid_out.header)


def test_a_whole_report(tmp_path):
    prompts = {target: [f"a {target} in place {i}" for i in range(6)] for target in ("cat", "vase")}
    files, _, samples, training = write_inputs(tmp_path / "in", results(), ("cat", "vase"))
    samples = [file for file in samples if file.variant in ORDER]
    samples = [type(file)(file.target, 5, file.variant, file.path, file.nfe) for file in samples]
    training = {(target, 5): path for (target, _), path in training.items()}
    write_report(files, [], samples, training, tmp_path / "out", Personalisation, ORDER, prompts)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in written)
    assert names == sorted(report_files(training, Personalisation.plots))
    grid = np.asarray(Image.open(tmp_path / "out/grids/cat_shots5.png"))
    firsts = [(grid == image[0, 0]).all(-1).sum() > 500 for image in fake_images(12, seed=1)]
    assert firsts == [True, False] * 6  # two images of each prompt, the first is shown
