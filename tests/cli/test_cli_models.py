"""Source teachers and feature networks in their place; a CLIP trained; weights that do not fit."""

import pytest
import torch
from safetensors.torch import load_file, save_file

import unidad.synthetic.clip_training as clip_training
from unidad.features.clip import load_clip
from unidad.features.feature_network import load_feature_network
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.unet import new_network
from unidad.synthetic.recipes import ClipTraining

UNET = f"unet/{WEIGHTS_NAME}"


def test_networks_are_put_in_place(model_folder, feature_network, told):
    assert told("place", model_folder, "--out", "models/teacher") == (0, [], [])
    given, placed = load_file(model_folder / UNET), load_file(f"models/teacher/{UNET}")
    assert all(torch.equal(given[name], placed[name]) for name in given)
    assert told("place", feature_network, "--out", "models/features") == (0, [], [])
    assert load_feature_network("models/features").fingerprint == (
        load_feature_network(feature_network).fingerprint
    )


def test_a_clip_is_trained(told, monkeypatch):
    small = {"WIDTH": 16, "VISION_LAYERS": 1, "TEXT_LAYERS": 1, "HELD_OUT_SCENES": 50}
    for name, value in small.items():
        monkeypatch.setattr(clip_training, name, value)
    arguments = ("--updates", 1, "--batch-size", 4, "--scenes", 4, "--quiet")
    status, out, err = told("train-clip", "--out", "clip", *arguments)
    assert (status, err, len(out)) == (0, [], 5)
    assert out[1].startswith("wrong in context: the right caption is first in 0.")
    clip = load_clip("clip")
    assert clip.texts(["a cat in the snow"]).shape == (1, 16)
    assert clip.model.config.vision_config.patch_size == ClipTraining().patch_size == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train-clip", "--updates", 0), ("options: updates", "greater than or equal to 1")),
        (("train-clip", "--batch-size", 7), ("options: batch_size", "multiple of 2")),
        (("train-clip", "--scenes", 3), ("a batch of 256 needs at least 128 scenes",)),
        (("train-clip", "--seed", -1), ("options: seed", "greater than or equal to 0")),
        (("train-vae", "--updates", 0), ("options: updates", "greater than or equal to 1")),
        (("train-scene-features", "--instances", 9), ("instances", "equal to 400")),
    ],
)
def test_impossible_settings_of_a_training(complains, arguments, words):
    complains((*arguments, "--out", "x", "--quiet"), *words)


def remove_weights(folder):
    (folder / UNET).unlink()


def cut_weights(folder):
    (folder / UNET).write_bytes((folder / UNET).read_bytes()[:1000])


def other_architecture(folder):
    """Full-precision weights of another network."""
    state = new_network(16, 2, (32, 64)).model.state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / UNET)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove_weights, (WEIGHTS_NAME, "weights are missing")),
        (cut_weights, (WEIGHTS_NAME, "not a readable safetensors file")),
        (other_architecture, (WEIGHTS_NAME, "weights of another architecture: '")),
    ],
)
def test_unfit_weights(model_folder, spec, complains, damage, words):
    path = spec("dmd2")
    damage(model_folder)
    complains(("place", model_folder, "--out", "teacher"), *words)
    complains(("sample", model_folder, "--out", "i.npz", "--quiet"), *words)
    complains(("train", path, "--out", "run", "--quiet"), *words)
