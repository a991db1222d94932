import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.feature_network import load_feature_network
from unidad.features.features import extract
from unidad.metrics.evaluate import evaluate
from unidad.metrics.row import best_frechet_distance, evaluate_row
from unidad.metrics.trajectory import measure_trajectory
from unidad.sampling import load_pipeline, sample


def test_best_is_the_smallest_of_snapshots_and_last():
    def at(*values):
        return [{"metrics": {"frechet_distance": value}} for value in values]

    assert best_frechet_distance(at(9.0, 3.0, 5.0), 4.0) == 3.0
    assert best_frechet_distance(at(9.0, 5.0), 4.0) == 4.0
    assert best_frechet_distance([], 4.0) is None
    assert best_frechet_distance(at(None), None) is None


@pytest.fixture
def followed(row, tmp_path, model_folder):
    """A row whose run kept two snapshots: one as it is, one with a weight doubled."""
    snapshots = tmp_path / "snapshots"
    for updates in ("000002", "000004"):
        shutil.copytree(model_folder, snapshots / updates)
    weights = snapshots / "000004/unet/diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    save_file(tensors | {"conv_out.weight": 2 * tensors["conv_out.weight"]}, weights)
    (snapshots / ".snakemake_timestamp").touch()
    return row | {"snapshots": str(snapshots)}


def test_each_snapshot_is_measured_as_a_model_is(followed):
    measured = measure_trajectory(followed, 24, seed=7, batch_size=16, progress=False)
    assert [snapshot["updates"] for snapshot in measured] == [2, 4]
    network = load_feature_network(followed["network"])
    reference = ImageSet.load(followed["reference_features"].replace("_features", ""))
    for snapshot, name in zip(measured, ("000002", "000004"), strict=True):
        pipeline = load_pipeline(f"{followed['snapshots']}/{name}")
        images, _ = sample(pipeline, 24, 7, followed["run"]["nfe"], 16, False)
        expected = evaluate(
            images,
            ImageSet.load(followed["training_images"]),
            network,
            reference_features=extract(reference, network),
            domain="babies",
            progress=False,
        )
        assert snapshot["metrics"] == pytest.approx(expected)
    distances = [snapshot["metrics"]["frechet_distance"] for snapshot in measured]
    assert distances[0] != distances[1]


def test_the_row_takes_its_best_from_them(followed, tmp_path):
    measured = measure_trajectory(followed, 24, seed=7, batch_size=16, progress=False)
    last = evaluate_row(followed, progress=False)["metrics"]["frechet_distance"]
    for distance in (last / 2, last * 2):
        measured[0]["metrics"]["frechet_distance"] = distance
        measured[1]["metrics"]["frechet_distance"] = last * 3
        (tmp_path / "t.json").write_text(json.dumps({"snapshots": measured}))
        found = evaluate_row(followed | {"trajectory": str(tmp_path / "t.json")}, progress=False)
        assert found["metrics"]["best_frechet_distance"] == min(distance, last)
        assert found["trajectory"] == measured


@pytest.mark.parametrize("key", ["snapshots", "run", "network", "training_features"])
def test_a_missing_key_is_named(followed, key):
    del followed[key]
    with pytest.raises(UserError, match=f"row specification: key '{key}' is missing"):
        measure_trajectory(followed, 24, 7, 16, progress=False)


def test_a_run_that_was_not_trained_is_named(followed, tmp_path):
    spec = followed | {"snapshots": str(tmp_path / "elsewhere")}
    with pytest.raises(UserError, match="elsewhere: no such folder of snapshots"):
        measure_trajectory(spec, 24, 7, 16, progress=False)
