import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from measuring import PLAIN, PROMPTS
from safetensors.torch import load_file, save_file

from unidad.errors import UserError
from unidad.features.extractors import load_extractor
from unidad.features.features import extract
from unidad.metrics.trajectory import smallest_on_the_way, smallest_without_copies
from unidad.networks.registry import load_backbone
from unidad.networks.text_to_image_folder import load_codec, load_text_encoder
from unidad.sampling import load_image_model, sample
from unidad.tasks.evaluate import evaluate_row
from unidad.tasks.snapshots import draw_as, evaluate_snapshots


def at(distance, memorisation=0.0):
    return {"metrics": {"frechet_distance": distance, "memorisation": memorisation}}


def test_best_is_the_smallest_of_snapshots_and_last():
    assert smallest_on_the_way(4.0, [at(9.0), at(3.0), at(5.0), at(None)]) == 3.0
    assert smallest_on_the_way(4.0, [at(9.0), at(5.0)]) == 4.0
    assert smallest_on_the_way(4.0, []) is None


def test_what_copies_is_not_chosen():
    snapshots = [at(9.0), at(5.0, 0.01), at(3.0, 0.02), at(None)]
    assert smallest_without_copies(2.0, 0.3, snapshots) == 5.0
    assert smallest_without_copies(4.0, 0.01, snapshots) == 4.0
    assert smallest_without_copies(4.0, 0.0, []) == 4.0
    assert smallest_without_copies(4.0, 0.5, snapshots[2:]) is None


FILES = {"images": "images", "features": "f"}


@pytest.fixture
def followed(row, tmp_path, model_folder, stored):
    """A row whose run kept two snapshots: one as it is, one with a weight doubled."""
    snapshots = tmp_path / "snapshots"
    for updates in ("000002", "000004"):
        shutil.copytree(model_folder, snapshots / updates)
    weights = snapshots / "000004/unet/diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    save_file(tensors | {"conv_out.weight": 2 * tensors["conv_out.weight"]}, weights)
    (snapshots / ".snakemake_timestamp").touch()
    drawing = stored("drawing.json", samples=24, seed=7, batch_size=16)
    return row | {"snapshots": str(snapshots), "drawing": drawing}


def test_each_snapshot_is_measured_as_a_model_is(followed, tmp_path):
    found, shown = evaluate_snapshots(followed, progress=False)
    measured = found["snapshots"]
    assert [snapshot["updates"] for snapshot in measured] == [2, 4]
    extractor = load_extractor(*followed["networks"])
    for snapshot, name in zip(measured, ("000002", "000004"), strict=True):
        pipeline = load_image_model(f"{followed['snapshots']}/{name}")
        images, _ = sample(pipeline, 24, 7, followed["run"]["nfe"], 16, False)
        images.save(tmp_path / "images.npz")
        extract(images, extractor).save(tmp_path / "f.npz")
        files = {key: str(tmp_path / f"{name}.npz") for key, name in FILES.items()}
        assert snapshot["metrics"] == evaluate_row(followed | files, progress=False)["metrics"]
        place = measured.index(snapshot)
        assert np.array_equal(shown.images[place * 24 : (place + 1) * 24], images.images)
    assert len(shown) == 48
    distances = [snapshot["metrics"]["frechet_distance"] for snapshot in measured]
    assert distances[0] != distances[1]


def test_a_subject_s_snapshots_are_measured_with_their_prompts(
    subject_row, stored, stable_diffusion, sets, tmp_path
):
    """The network of two prompts' images reads their captions without the rare token."""
    network = load_backbone(stable_diffusion, codec=load_codec(stable_diffusion))
    text = load_text_encoder(stable_diffusion)
    network.save(tmp_path / "snapshots" / "000003", "few_step", 1, text=text)
    drawing = stored("drawing.json", prompts=PROMPTS[:2], images_per_prompt=2, seed=5)
    row = subject_row | {"snapshots": str(tmp_path / "snapshots"), "drawing": drawing}
    (snapshot,) = evaluate_snapshots(row, progress=False)[0]["snapshots"]
    drawn = draw_as(json.loads(Path(drawing).read_text()), tmp_path / "snapshots/000003", 1, False)
    assert drawn.captions == (PROMPTS[0],) * 2 + (PROMPTS[1],) * 2
    drawn.save(tmp_path / "images.npz")
    extractor = load_extractor(*row["networks"])
    extract(drawn, extractor, PLAIN[:2]).save(tmp_path / "f.npz")
    files = {key: str(tmp_path / f"{name}.npz") for key, name in FILES.items()}
    expected = evaluate_row(row | files, progress=False)["metrics"]
    assert snapshot == {"updates": 3, "metrics": expected}
    assert None not in (expected["clip_t"], expected["prompt_success"], expected["intra_lpips"])


def test_the_row_takes_its_best_from_them(followed, tmp_path):
    measured = evaluate_snapshots(followed, progress=False)[0]["snapshots"]
    last = evaluate_row(followed, progress=False)["metrics"]["frechet_distance"]
    for distance in (last / 2, last * 2):
        measured[0]["metrics"]["frechet_distance"] = distance
        measured[1]["metrics"]["frechet_distance"] = last * 3
        (tmp_path / "t.json").write_text(json.dumps({"snapshots": measured}))
        found = evaluate_row(followed | {"trajectory": str(tmp_path / "t.json")}, progress=False)
        assert found["metrics"]["best_frechet_distance"] == min(distance, last)
        assert found["trajectory"] == measured


@pytest.mark.parametrize("key", ["snapshots", "run", "networks", "training_features", "drawing"])
def test_a_missing_key_is_named(followed, key):
    del followed[key]
    with pytest.raises(UserError, match=f"row specification: key '{key}' is missing"):
        evaluate_snapshots(followed, progress=False)


def test_a_run_that_was_not_trained_is_named(followed, tmp_path):
    spec = followed | {"snapshots": str(tmp_path / "elsewhere")}
    with pytest.raises(UserError, match="elsewhere: no such folder of snapshots"):
        evaluate_snapshots(spec, progress=False)
