import json
import math

import pandas as pd
import pytest
from report_fakes import result

from unidad.errors import UserError
from unidad.report.comparison import aggregate, all_results, comparison, load_metrics
from unidad.tasks.generation import Generation


def cell(rows, variant, metric):
    chosen = rows[(rows["variant"] == variant) & (rows["metric"] == metric)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_mean_and_sample_deviation_by_hand():
    rows = comparison([result(seed=i, frechet_distance=v) for i, v in enumerate([1.0, 2.0, 6.0])])
    row = cell(rows, "Uni-DAD", "frechet_distance")
    assert row["mean"] == pytest.approx(3.0)
    assert row["std"] == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    assert row["n"] == 3


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_a_value_that_could_not_be_measured_is_not_counted(unknown):
    values = [2.0, unknown, 4.0]
    rows = comparison([result(seed=i, recall=v) for i, v in enumerate(values)])
    row = cell(rows, "Uni-DAD", "recall")
    assert (row["mean"], row["n"]) == (3.0, 2)
    assert row["std"] == pytest.approx(math.sqrt(2))


def test_one_seed_has_no_deviation_and_none_no_mean():
    rows = comparison([result(recall=None, precision=0.5)])
    assert cell(rows, "Uni-DAD", "precision")["mean"] == 0.5
    assert math.isnan(cell(rows, "Uni-DAD", "precision")["std"])
    assert math.isnan(cell(rows, "Uni-DAD", "recall")["mean"])
    assert cell(rows, "Uni-DAD", "recall")["n"] == 0


def test_costs_are_rows_too():
    rows = comparison([result(training_seconds_total=120.0), result(seed=1)])
    assert cell(rows, "Uni-DAD", "training_seconds_total")["mean"] == pytest.approx(105.0)
    assert "nfe" not in set(rows["metric"])


def test_only_the_trained_nfe_is_in_the_table():
    metrics = [
        result("FT", nfe=25, frechet_distance=1.0),
        result("FT", nfe=50, trained_nfe=25, frechet_distance=3.0),
        result("Source teacher", nfe=25, trained_nfe=None),
        result("Held-out images", nfe=None),
    ]
    rows = comparison(metrics)
    assert cell(rows, "FT", "frechet_distance")["mean"] == 1.0
    assert cell(rows, "Source teacher", "frechet_distance")["nfe"] == 25
    assert cell(rows, "Held-out images", "frechet_distance")["nfe"] is pd.NA
    everywhere = aggregate(metrics)
    points = everywhere.query("variant == 'FT' and metric == 'frechet_distance'")
    assert dict(zip(points["nfe"], points["mean"], strict=True)) == {25: 1.0, 50: 3.0}


def test_order_is_the_configurations_and_controls_come_last():
    names = ["Held-out images", "C", "A", "Source teacher", "B"]
    rows = comparison([result(name) for name in names], order=["B", "A", "not run"])
    expected = ["B", "A", "C", "Held-out images", "Source teacher"]
    assert list(rows["variant"].unique()) == expected
    assert list(rows.drop_duplicates("variant")["control"]) == [False] * 3 + [True] * 2


def test_targets_and_shots_are_blocks_in_order_of_appearance():
    metrics = [result(target="cats"), result(shots=5), result(), result(target="cats", seed=1)]
    rows = comparison(metrics).drop_duplicates(["target", "shots"])
    assert list(zip(rows["target"], rows["shots"], strict=True)) == [
        ("cats", 10),
        ("babies", 5),
        ("babies", 10),
    ]


def test_a_whole_set_has_null_shots():
    rows = comparison([result(shots=None), result()], papers=Generation.papers)
    assert rows["shots"].unique().tolist() == [pd.NA, 10]
    assert all_results([result(shots=None)]).loc[0, "shots"] is pd.NA
    assert rows[rows["shots"].isna()]["paper_value"].isna().all()


def test_paper_value_stands_beside_and_matches_nfe_and_shots():
    results = [result(), result(shots=5), result("FT", nfe=25), result("FT", nfe=4)]
    rows = comparison(results, papers=Generation.papers)
    fid = rows[rows["metric"] == "frechet_distance"]
    values = {(r.variant, r.shots, r.nfe): r.paper_value for r in fid.itertuples()}
    assert values["Uni-DAD", 10, 3] == 45.09
    assert values["Uni-DAD", 5, 3] == 52.73
    assert values["FT", 10, 25] == 57.06
    assert math.isnan(values["FT", 10, 4])
    assert set(fid["paper_label"].dropna()) == {"paper FID (Inception, FFHQ 256²)"}
    assert rows.loc[rows["metric"] == "kernel_distance", "paper_value"].isna().all()


def test_all_results_has_a_row_a_file():
    frame = all_results([result(seed=3), result("Held-out images", nfe=None)])
    assert list(frame["seed"]) == [3, 0]
    assert frame.loc[0, ["nfe", "cost_nfe", "frechet_distance", "samples"]].to_list() == [
        3,
        3,
        5.0,
        2000,
    ]
    assert frame.loc[1, "nfe"] is pd.NA


def test_a_seed_given_twice_is_refused():
    with pytest.raises(UserError, match="two metrics files for babies, 'Uni-DAD', NFE 3, seed 0"):
        comparison([result(), result()])


def test_two_feature_networks_are_refused():
    with pytest.raises(UserError, match="inception, synthetic-faces"):
        comparison([result(), result(seed=1) | {"extractor": "inception"}])


def test_load_metrics_reads_what_was_written(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(result(seed=7)))
    assert load_metrics([path]) == [result(seed=7)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "no 'run' in it"),
        ('{"run": {}}', "no 'experiment' in it"),
        (json.dumps({"run": result()["run"]}), "no 'samples' in it"),
    ],
)
def test_unusable_metrics_files_are_named(tmp_path, text, message):
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"metrics\.json: {message}"):
        load_metrics([path])
    with pytest.raises(UserError, match="no such metrics file"):
        load_metrics([tmp_path / "other.json"])
