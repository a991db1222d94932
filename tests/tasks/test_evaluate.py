import json

import pytest
from measuring import SAMPLING, summary

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.extractors import load_extractor
from unidad.features.features import Features
from unidad.metrics.registry import measurable, measure
from unidad.tasks.evaluate import evaluate_row, evidence_class, row_cost

KEYS = ("task", "run", "networks", "images", "features", "training_images", "training_features")
KEYS += ("sampling", "training", "trajectory")


@pytest.fixture(params=["row", "subject_row"])
def any_row(request):
    return request.getfixturevalue(request.param)


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


def test_a_row_is_what_it_names_measured(any_row):
    images, found = ImageSet.load(any_row["images"]), Features.load(any_row["features"])
    kind = evidence_class(any_row)
    evidence = kind(any_row, load_extractor(*any_row["networks"]), images, found, progress=False)
    expected = measure(measurable(kind), evidence)
    found = evaluate_row(any_row, progress=False)
    assert list(found) == [
        *("run", "samples", "extractor", "metrics", "nearest", "shown", "cost", "trajectory")
    ]
    assert found["nearest"] == evidence.nearest_copies(10)
    first = {answer: place for place, answer in enumerate(evidence.measured_images.tolist())}
    for sample, training in zip(*found["shown"].values(), strict=True):
        assert training[0] == evidence.nearest.training[first[sample]]
        distances = evidence.training_distances([sample])[0]
        assert distances[training].tolist() == sorted(distances.tolist())[: len(training)]
    assert (found["run"], found["samples"]) == (any_row["run"], len(images))
    assert found["extractor"] == ("synthetic" if "protocol" in any_row else "colours")
    assert found["metrics"] == expected
    assert [name for name, value in expected.items() if value is None] in (
        *(["best_frechet_distance", "frechet_distance_dinov2"], []),
    )
    assert found["trajectory"] == []
    assert found["cost"] == row_cost(
        any_row["run"]["nfe"], any_row["sampling"], any_row["training"]
    )
    assert json.loads(json.dumps(found)) == found


def test_the_photos_themselves_are_a_row(subject_row):
    row = subject_row | {
        "images": subject_row["training_images"],
        "features": subject_row["training_features"],
        **{"sampling": None, "training": []},
    }
    found = evaluate_row(row, progress=False)
    assert (found["samples"], found["metrics"]["memorisation"]) == (3, 1)
    assert found["nearest"]["samples"] == found["nearest"]["training"]


def test_the_protocol_decides_about_negative_cosines(subject_row):
    plain, clamped = (
        evaluate_row(subject_row | {"protocol": name}, progress=False)
        for name in ("synthetic", "echodistill")
    )
    assert plain["metrics"]["clip_t"] < clamped["metrics"]["clip_t"]
    assert clamped["extractor"] == "echodistill"


def test_a_subject_of_ones_own_has_neither_grammar_nor_reference(subject_row):
    row = subject_row | {"grammar": False, "reference_images": None}
    metrics = evaluate_row(row, progress=False)["metrics"]
    known = {name for name, value in metrics.items() if value is not None}
    assert known == {"clip_i", "instance_similarity", "clip_t", "intra_lpips", "inter_lpips"} | {
        "near_copies"
    }


def test_without_held_out_images_there_is_no_distance(row):
    found = evaluate_row(
        row | {"reference_images": None, "reference_features": None}, progress=False
    )
    assert found["metrics"]["frechet_distance"] is None
    assert found["metrics"]["intra_lpips"] > 0


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(any_row, key):
    del any_row[key]
    with pytest.raises(UserError, match=f"row specification: key '{key}' is missing"):
        evaluate_row(any_row, progress=False)


@pytest.mark.parametrize(
    ("fixture", "keys"),
    [
        ("row", ("domain", "reference_images", "reference_features", "intra_lpips")),
        ("subject_row", ("reference_images", "rare_token", "grammar", "protocol")),
    ],
)
def test_a_missing_key_of_the_task_is_named(request, fixture, keys):
    row = request.getfixturevalue(fixture)
    for key in keys:
        spec = {name: value for name, value in row.items() if name != key}
        with pytest.raises(UserError, match=f"row specification: key '{key}' is missing"):
            evaluate_row(spec, progress=False)


@pytest.mark.parametrize("key", ["networks", "images", "features", "training_images", "sampling"])
def test_a_missing_file_is_named(any_row, key):
    nowhere = ["nowhere"] if key == "networks" else "nowhere"
    with pytest.raises(UserError, match=r"nowhere.*: no such"):
        evaluate_row(any_row | {key: nowhere}, progress=False)


def test_an_unknown_task_is_named(row):
    with pytest.raises(UserError, match="task 'painting' is unknown"):
        evaluate_row(row | {"task": "painting"}, progress=False)


def test_a_summary_that_is_no_json_is_named(row, tmp_path):
    (tmp_path / "own.json").write_text("{")
    with pytest.raises(UserError, match=r"own.json: not valid JSON"):
        evaluate_row(row, progress=False)
