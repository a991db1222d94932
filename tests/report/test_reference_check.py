"""The committed tables belong to experiments of this repository, and a row can be made anew."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.reference import cheapest, differences
from unidad.experiment.load import load_config
from unidad.plan import Plan

ROOT = Path(__file__).parents[2]
TABLES = {
    "config.yaml": ROOT / "results/reference/tables/all.csv",
    "configs/sdp.yaml": ROOT / "results/reference/sdp/tables/all.csv",
}


@pytest.mark.parametrize("config", TABLES)
def test_the_cheapest_row_of_each_committed_table_is_planned(config, monkeypatch):
    monkeypatch.chdir(ROOT)
    table, plan = pd.read_csv(TABLES[config]), Plan(load_config(config))
    path, row = cheapest(table, plan)
    planned = {f"{plan.root}/{row.metrics}" for row in plan.rows()}
    assert path in planned
    trained = table[table["method"].notna()]
    assert row["training_seconds_total"] == trained["training_seconds_total"].min()


def test_a_table_of_another_experiment_is_told(monkeypatch):
    monkeypatch.chdir(ROOT)
    table = pd.read_csv(TABLES["config.yaml"]).assign(variant="another")
    with pytest.raises(SystemExit, match="none of the table's trained rows"):
        cheapest(table, Plan(load_config("config.yaml")))


def test_values_differ_beyond_a_fifth_and_shares_beyond_a_twentieth():
    expected = pd.Series(
        {"frechet_distance": 10.0, "domain_share": 0.9, "intra_lpips": float("nan")}
    )
    near = {"frechet_distance": 11.9, "domain_share": 0.86, "intra_lpips": 3.0, "grain": 1.0}
    far = {"frechet_distance": 12.1, "domain_share": 0.84}
    assert [fits for *_, fits in differences(near, expected)] == [True, True]
    assert differences(far, expected) == [
        ("frechet_distance", 10.0, 12.1, False),
        ("domain_share", 0.9, 0.84, False),
    ]
