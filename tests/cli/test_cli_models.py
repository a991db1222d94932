"""Source teachers and feature networks in their place; weights that do not fit."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from unidad.metrics.feature_network import load_feature_network
from unidad.networks.folder import WEIGHTS_NAME, new_network

UNET = f"unet/{WEIGHTS_NAME}"


def test_networks_are_put_in_place(model_folder, feature_network, told):
    assert told("source-teacher", model_folder, "--out", "models/teacher") == (0, [], [])
    given, placed = load_file(model_folder / UNET), load_file(f"models/teacher/{UNET}")
    assert all(torch.equal(given[name], placed[name]) for name in given)
    assert told("feature-network", feature_network, "--out", "models/features") == (0, [], [])
    assert load_feature_network("models/features").fingerprint == (
        load_feature_network(feature_network).fingerprint
    )


def remove_weights(folder):
    (folder / UNET).unlink()


def cut_weights(folder):
    (folder / UNET).write_bytes((folder / UNET).read_bytes()[:1000])


def other_architecture(folder):
    """Full-precision weights of another network."""
    state = new_network(16, 2, (32, 64)).unet.state_dict()
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
    complains(("source-teacher", model_folder, "--out", "teacher"), *words)
    complains(("sample", model_folder, "--out", "i.npz", "--quiet"), *words)
    complains(("train", path, "--out", "run", "--quiet"), *words)
