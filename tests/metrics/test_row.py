import json

import pytest
from row_fakes import SAMPLING, summary

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.feature_network import load_feature_network
from unidad.features.features import extract
from unidad.metrics.evaluate import evaluate
from unidad.metrics.row import evaluate_row, row_cost


def test_training_counts_the_run_alone_and_with_all_it_builds_on(stored):
    training = [
        stored("own.json", **summary(100.5, 400, 900.0)),
        stored("ft.json", **summary(30.25, 250, 1200.0)),
        stored("source.json", **summary(1000.0, 12000, 800.0)),
    ]
    assert row_cost(3, stored("sampling.json", **SAMPLING), training) == {
        "nfe": 3,
        "gflops_per_image": 1.5,
        "images_per_second": 40.0,
        "training_seconds": 100.5,
        "training_seconds_total": 1130.75,
        "peak_memory_mb": 900.0,
        "student_updates": 400,
    }


def test_a_model_that_was_not_trained_here_costs_its_sampling_alone(stored):
    cost = row_cost(25, stored("sampling.json", **(SAMPLING | {"nfe": 25})), [])
    assert {name for name, value in cost.items() if value is not None} == set(SAMPLING)
    assert cost["nfe"] == 25


def test_real_images_cost_nothing():
    cost = row_cost(None, None, [])
    assert len(cost) == 7
    assert set(cost.values()) == {None}


def test_a_row_is_what_it_names_measured(row):
    network = load_feature_network(row["network"])
    sets = [ImageSet.load(row[key]) for key in ("images", "training_images")]
    reference = ImageSet.load(row["reference_features"].replace("_features", ""))
    expected = evaluate(
        *sets,
        network,
        reference_features=extract(reference, network),
        domain="babies",
        progress=False,
    )
    found = evaluate_row(row, progress=False)
    assert list(found) == ["run", "samples", "extractor", "metrics", "cost", "trajectory"]
    assert (found["run"], found["samples"], found["extractor"]) == (row["run"], 40, "colours")
    assert found["metrics"] == pytest.approx(expected | {"best_frechet_distance": None})
    assert found["trajectory"] == []
    assert found["metrics"]["frechet_distance"] > 0
    assert found["cost"] == row_cost(3, row["sampling"], row["training"])
    assert json.loads(json.dumps(found)) == found


def test_without_held_out_images_there_is_no_distance(row):
    found = evaluate_row(row | {"reference_features": None}, progress=False)
    assert found["metrics"]["frechet_distance"] is None
    assert found["metrics"]["intra_lpips"] > 0


@pytest.mark.parametrize(
    "key",
    [
        *("run", "domain", "network", "images", "features", "reference_features"),
        *("training_images", "training_features", "sampling", "training", "trajectory"),
        "intra_lpips",
    ],
)
def test_a_missing_key_is_named(row, key):
    del row[key]
    with pytest.raises(UserError, match=f"row specification: key '{key}' is missing"):
        evaluate_row(row, progress=False)


@pytest.mark.parametrize("key", ["network", "images", "features", "training_images", "sampling"])
def test_a_missing_file_is_named(row, key):
    with pytest.raises(UserError, match=r"nowhere.*: no such"):
        evaluate_row(row | {key: "nowhere"}, progress=False)


def test_a_summary_that_is_no_json_is_named(row, tmp_path):
    (tmp_path / "own.json").write_text("{")
    with pytest.raises(UserError, match=r"own.json: not valid JSON"):
        evaluate_row(row, progress=False)
