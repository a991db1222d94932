"""Which of the papers' numbers stand in which table of which shipped configuration."""

from functools import cache
from pathlib import Path

import pytest

from unidad.experiment.load import load_config
from unidad.report.published import NOT_MEASURED, _rows
from unidad.report.views import published_cells

ROOT = Path(__file__).parents[2]
SHIPPED = ["config.yaml", *sorted(f"configs/{path.name}" for path in ROOT.glob("configs/*.yaml"))]
FEW_SHOT = {"table1": 40, "table2": 8, "table4": 24, "table5": 10, "table6": 4, "table7": 4}
COUNTS = {
    "configs/full.yaml": FEW_SHOT,
    "configs/paper_echodistill.yaml": {"echodistill": 2},
    "configs/paper_fsig.yaml": FEW_SHOT,
    "configs/paper_sdp.yaml": {"table3": 27},
    "configs/sdp.yaml": {"table3": 27},
}
PAPERS = (
    "configs/paper_fsig.yaml",
    "configs/paper_sdp.yaml",
    "configs/paper_echodistill.yaml",
)


@cache
def cells(path):
    config = load_config(ROOT / path)
    return {name: published_cells(view, config) for name, view in config.tables.items()}


@pytest.mark.parametrize("path", SHIPPED)
def test_a_configuration_shows_as_many_published_numbers(path):
    found = {name: len({(v.paper, v.line) for v in values}) for name, values in cells(path).items()}
    assert found == COUNTS.get(path, {})


@pytest.mark.parametrize("row", _rows(), ids=lambda row: f"{row['paper']}-{row['line']}")
def test_every_published_number_stands_in_a_table(row):
    """In the table of its own number, at the paper's scale; or it is said why it is in none."""
    tables = {
        name
        for path in PAPERS
        for name, values in cells(path).items()
        if (row["paper"], row["line"]) in {(value.paper, value.line) for value in values}
    }
    if row["metric"] in NOT_MEASURED:
        assert not tables
    elif row["paper"] == "echodistill":
        assert "echodistill" in tables
    else:
        assert f"table{row['table']}" in tables


def test_the_embedded_benchmark_has_the_papers_tables():
    full, paper = (load_config(ROOT / f"configs/{name}.yaml") for name in ("full", "paper_fsig"))
    assert list(full.tables) == list(paper.tables)
    for name, view in full.tables.items():
        other = paper.tables[name]
        assert view.metrics == other.metrics
        assert {*view.shown} - {"Source teacher"} == {*other.shown}
        assert [t.replace("portraits", "metfaces") for t in view.targets] == [*other.targets]


def test_models_trained_before_are_given_at_hand_and_rows_on_the_paper_s_scale():
    full, paper = (load_config(ROOT / f"configs/{name}.yaml") for name in ("full", "paper_fsig"))
    for config, student in ((full, "source_student"), (paper, "DMD2")):
        rows = [config.variants[row.variant] for row in config.tables["table6"].shown.values()]
        assert [row.student for row in rows] == ["source_teacher", student] * 2
        assert [row.target_teacher for row in rows] == ["online", "online", "FT", "FT"]
