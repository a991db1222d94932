"""Frozen networks as a method sees images with them."""

import json

import pytest
import torch
from transformers import CLIPVisionModel, Dinov2Model

from unidad.errors import UserError
from unidad.features.frozen import frozen_weights, load_frozen_features
from unidad.features.scene_network import load_scene_network

MEAN = torch.tensor([0.5, 0.4, 0.3]).reshape(3, 1, 1)
STD = torch.tensor([0.3, 0.2, 0.25]).reshape(3, 1, 1)


@torch.no_grad()
@pytest.mark.parametrize(
    ("fixture", "model", "shape"),
    [("clip_folder", CLIPVisionModel, (2, 5, 32)), ("dino_folder", Dinov2Model, (2, 10, 24))],
)
def test_tokens_are_the_last_hidden_states_of_transformers(request, fixture, model, shape):
    folder = request.getfixturevalue(fixture)
    size = 16 if fixture == "clip_folder" else 24
    images = 2 * torch.rand(2, 3, size, size) - 1
    tokens = load_frozen_features("any", str(folder)).tokens(images)
    expected = model.from_pretrained(folder)(((images + 1) / 2 - MEAN) / STD).last_hidden_state
    assert tokens.shape == shape
    torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_tokens_of_a_scene_network_are_the_places_of_its_last_map(scene_folder):
    images = 2 * torch.rand(2, 3, 16, 16) - 1
    features = load_frozen_features("any", str(scene_folder))
    tokens = features.tokens(images)
    last = load_scene_network(scene_folder).maps(images)[-1]
    assert tokens.shape == (2, 4, 16)
    torch.testing.assert_close(tokens[:, 1], last[:, :, 0, 1])
    rows = features.perceptual_rows(images)
    assert rows.shape[0] == 2
    assert (rows[0] - rows[1]).square().sum() > 0.01


@pytest.mark.parametrize("fixture", ["clip_folder", "dino_folder", "scene_folder"])
@pytest.mark.parametrize("side", [16, 32])
def test_gradients_reach_images_of_any_size_and_no_weight(request, fixture, side):
    features = load_frozen_features("any", str(request.getfixturevalue(fixture)))
    images = torch.full((1, 3, side, side), 0.1, requires_grad=True)
    features.tokens(images).square().sum().backward()
    assert images.grad.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_unfit_folders_are_one_clear_line(dino_folder, tmp_path):
    def complaint(name, origin):
        with pytest.raises(UserError) as error:
            load_frozen_features(name, str(origin))
        assert len(str(error.value).splitlines()) == 1
        return str(error.value)

    assert "nowhere/config.json: no such file; the folder of a" in complaint(
        "clip", tmp_path / "nowhere"
    )
    assert complaint("dino", "shipped").startswith("features.dino: only clip and encoder are ship")
    config = json.loads((dino_folder / "config.json").read_text())
    (dino_folder / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    assert "model_type 'bert'; only vit and dinov2 are known" in complaint("dino", dino_folder)


def test_weights_of_folders_and_of_what_is_shipped(dino_folder):
    files = frozen_weights({"clip": "shipped", "dino": str(dino_folder)})
    assert files[1] == dino_folder / "model.safetensors"
    assert files[0].parent.name == "synthetic-scenes-alignment"
    assert len(files) == 2
