"""Tables of a configuration: which runs, what is bold, what the papers have, which order."""

import pandas as pd
import pytest
from report_fakes import result

from unidad.config.tables import TableView
from unidad.report.outputs import view_files
from unidad.report.view_files import layout, tidy, write_views
from unidad.report.views import View
from unidad.tasks.generation import Generation
from unidad.tasks.personalisation import ALL_SUBJECTS, Personalisation

ROWS = {"DDPM-PA": None, "FT": "FT", "Uni-DAD": "Uni-DAD"}


def view(contents, rows=None, task=Generation, targets=("babies",), shots=(10,), **settings):
    described = TableView(
        **{"heading": "H", "rows": rows or ROWS, "metrics": ["frechet_distance"], **settings}
    )
    return View(described, contents, targets, shots, task)


def texts(found, row, block=0):
    """Header → text of one row."""
    laid_out = layout(found)
    (cells,) = [r.cells for r in laid_out.blocks[block].rows if r.label == row]
    return dict(zip(laid_out.header[1:], [cell.text for cell in cells], strict=True))


def published(*metrics):
    return [content | {"extractor": "inception-legacy_pytorch, lpips-vgg"} for content in metrics]


FD, PAPER = "FD (synthetic features) ↓", "paper FID"


def test_ours_stand_beside_theirs():
    metrics = [result("FT", s, 25, frechet_distance=v) for s, v in enumerate((5.0, 7.0))]
    metrics += [result("Uni-DAD", frechet_distance=4.0), result("not shown")]
    found = view(metrics, published="1")
    assert texts(found, "FT") == {"NFE": "25", FD: "6.00 ± 1.41", PAPER: "57.06"}
    assert texts(found, "Uni-DAD") == {"NFE": "3", FD: "4.00", PAPER: "45.09"}
    assert texts(found, "DDPM-PA") == {"NFE": "1000", FD: "–", PAPER: "48.92 [1]"}
    notes = layout(found).notes
    assert any(
        note.startswith("[1] babies, 10 shots, DDPM-PA: another transcription has 49.91")
        for note in notes
    )
    assert PAPER not in layout(view(metrics)).header


@pytest.mark.parametrize(
    ("value", "better"), [(57.2, "theirs"), (57.0, "ours"), (57.064, "="), (57.056, "=")]
)
def test_which_is_better_stands_where_both_are_measured_alike(value, better):
    metrics = published(result("FT", nfe=25, frechet_distance=value))
    found = texts(view(metrics, ["FT"], published="1"), "FT")
    assert found["better"] == better
    assert list(tidy(view(metrics, ["FT"], published="1"))["better"]) == [better]
    embedded = [result("FT", nfe=25, frechet_distance=value)]
    assert "better" not in texts(view(embedded, ["FT"], published="1"), "FT")


def test_orderings_count_pairs_of_one_paper():
    """Theirs: Uni-DAD 45.09, FT 57.06, FT-DMD2 57.11, DMD2-FT 140.27."""
    values = {"Uni-DAD": 5.0, "FT": 4.0, "FT-DMD2": 4.5, "DMD2-FT": 9.0}
    metrics = [
        result(label, nfe=25 if label == "FT" else 3, frechet_distance=value)
        for label, value in values.items()
    ]
    found = view(metrics, [*values], published="1")
    other = {(o.first, o.second) for o in found.orderings if not o.same}
    assert len(found.orderings) == 6
    assert other == {("Uni-DAD", "FT"), ("Uni-DAD", "FT-DMD2")}
    (line,) = [note for note in layout(found).notes if "orderings" in note]
    assert line.startswith("4 of 6 orderings that the paper publishes came out the same way.")
    assert "babies, 10 shots, frechet_distance: Uni-DAD before FT, Uni-DAD before FT-DMD2" in line


def test_diversity_never_stands_alone_and_is_not_bold_off_target():
    """B is the most diverse, and draws a quarter of the target."""
    metrics = [
        result("A", domain_share=0.9, intra_lpips=0.3, recall=0.4, attribute_coverage=0.5),
        result("B", domain_share=0.25, intra_lpips=0.6, recall=0.1, attribute_coverage=0.0),
    ]
    laid_out = layout(view(metrics, ["A", "B"], metrics=["intra_lpips", "domain_share"]))
    assert laid_out.header[2:] == (
        "Intra-LPIPS (synthetic features) ↑",
        "domain share ↑",
        "recall ↑",
        "attribute coverage ↑",
    )
    bold = [[cell.bold for cell in row.cells[1:]] for row in laid_out.blocks[0].rows]
    assert bold == [[True] * 4, [False] * 4]
    assert any("domain share is below 0.8" in note for note in laid_out.notes)
    only = layout(view([result("A")], ["A"], metrics=["intra_lpips"]))
    assert len(only.header) == 3


def test_a_run_stands_in_several_rows_and_at_several_steps():
    metrics = [
        result("four", nfe=4, frechet_distance=3.0),
        result("four", nfe=1, trained_nfe=4, frechet_distance=8.0),
    ]
    rows = {
        "Uni-DAD": "four",
        "at one": {"variant": "four", "nfe": 1, "published": "Uni-DAD"},
        "again": {"variant": "four", "published": "Uni-DAD", "published_nfe": 3},
    }
    found = view(metrics, rows, published="4")
    assert texts(found, "Uni-DAD") == {"NFE": "4", FD: "3.00", PAPER: "41.39"}
    assert texts(found, "at one") == {"NFE": "1", FD: "8.00", PAPER: "98.52"}
    assert texts(found, "again") == {"NFE": "4", FD: "3.00", PAPER: "45.09"}


def test_blocks_are_targets_and_shots_and_seeds_are_chosen():
    metrics = [
        result("Uni-DAD", s, target=t, shots=k, frechet_distance=k + s)
        for t in ("babies", "portraits")
        for k in (1, 5)
        for s in (0, 1)
    ]
    axes = {"targets": ("babies", "portraits"), "shots": (1, 5)}
    found = view(metrics, ["Uni-DAD"], published="4", seeds=(1,), **axes)
    assert [block.title for block in layout(found).blocks] == [
        "babies, 1 shot",
        "babies, 5 shots",
        "portraits, 1 shot",
        "portraits, 5 shots",
    ]
    column = [texts(found, "Uni-DAD", block) for block in range(4)]
    assert [cells[FD] for cells in column] == ["2.00", "6.00", "2.00", "6.00"]
    assert [cells[PAPER] for cells in column] == ["90.33", "52.73", "90.29", "83.69"]


def test_costs_are_means_over_targets_in_the_papers_units():
    metrics = []
    for i, target in enumerate(("babies", "cats")):
        for label, peak in (("Uni-DAD", 3000.0), ("Uni-DAD (no target teacher)", 2400.0)):
            content = result(label, target=target)
            content["cost"] |= {
                "images_per_second": 20.0,
                "gflops_per_image": 2200.0,
                "training_seconds_total": 3600.0 * (i + 1),
                "peak_memory_mb": peak,
            }
            metrics.append(content)
    rows = ["Uni-DAD", "Uni-DAD (no target teacher)"]
    names = ["minutes_for_5000", "tflops_per_image", "training_hours", "peak_memory_added"]
    found = view(
        *(metrics, rows, Generation, ("babies", "cats")),
        metrics=names,
        mean=True,
        published="2",
        memory_baseline=rows[1],
    )
    assert [block.title for block in layout(found).blocks] == ["mean of targets, 10 shots"]
    cells = [cell.text for cell in layout(found).blocks[0].rows[0].cells]
    assert cells == ["3", "4.17", "4.20", "2.2000", "2.20", "1.50", "2.80", "25", "21.00"]
    assert [place.mean for place in found.parts[0].rows[rows[1]]][3] is None


def test_the_mean_of_subjects_has_the_papers_numbers_whatever_the_shots():
    metrics = [
        result("FT", nfe=50, target=target, shots=4, instance_similarity=value)
        for target, value in (("cat", 0.4), ("dog", 0.6))
    ]
    found = view(
        *(metrics, {"FT (DreamBooth)": {"variant": "FT", "published_nfe": 100}}),
        *(Personalisation, ("cat", "dog"), (4,)),
        metrics=["instance_similarity"],
        mean=True,
        published="3",
    )
    (part,) = found.parts
    assert found.title(part) == f"{ALL_SUBJECTS}, 4 shots"
    (place,) = part.rows["FT (DreamBooth)"]
    assert place.mean == pytest.approx(0.5)
    assert place.theirs.value == 0.58


def test_a_row_of_the_papers_stands_where_they_have_a_number():
    metrics = [result("FT", nfe=25, target=target) for target in ("babies", "cats")]
    found = layout(view(metrics, ROWS, targets=("babies", "cats"), published="1"))
    rows = [[row.label for row in block.rows] for block in found.blocks]
    assert rows == [["DDPM-PA", "FT", "Uni-DAD"], ["FT", "Uni-DAD"]]


def test_files(tmp_path):
    metrics = [result("FT", nfe=25), result("Uni-DAD", frechet_distance=4.0)]
    described = TableView(heading="H", rows=ROWS, metrics=["frechet_distance"], published="1")
    write_views({"t1": described}, metrics, tmp_path / "tables", Generation, ["babies"], [10])
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(
        name.removeprefix("tables/") for name in view_files(["t1"])
    )
    table = pd.read_csv(tmp_path / "tables/t1.csv").set_index("row")
    assert list(table["published"]) == [48.92, 57.06, 45.09]
    assert table["mean"]["Uni-DAD"] == 4.0
    assert list(table["n"]) == [0, 1, 1]
    assert (tmp_path / "tables/t1.md").read_text().startswith("# H\n\n## babies, 10 shots\n")
    found = pd.read_csv(tmp_path / "tables/orderings.csv")
    assert list(found["same"]) == [True]
