import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Dinov2Model, ViTModel

from unidad.errors import UserError
from unidad.features.extractors import load_extractor, save_published
from unidad.features.pretrained import FOLDER
from unidad.features.vision import load_vision_transformer

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
WEIGHTS = "model.safetensors"


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)


def normalised(image: Image.Image) -> np.ndarray:
    return ((np.asarray(image) / 255 - MEAN) / STD).transpose(2, 0, 1)


def test_dino_sees_224_pixels_bilinear(dino, pictures):
    found = load_vision_transformer(dino).inputs(pictures)
    expected = [normalised(Image.fromarray(p).resize((224, 224), 2)) for p in pictures]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-5)


def test_dinov2_sees_the_centre_of_256_pixels_bicubic(dinov2, pictures):
    found = load_vision_transformer(dinov2).inputs(pictures)
    large = [Image.fromarray(p).resize((256, 256), 3) for p in pictures]
    expected = [normalised(image.crop((16, 16, 240, 240))) for image in large]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-5)


@torch.no_grad()
def test_embeddings_are_class_tokens_of_unit_length(dino, dinov2, pictures):
    """DINOv2's is the one that transformers calls pooled."""
    for folder, model in (
        (dino, ViTModel.from_pretrained(dino, add_pooling_layer=False)),
        (dinov2, Dinov2Model.from_pretrained(dinov2)),
    ):
        ours = load_vision_transformer(folder)
        output = model.eval()(ours.inputs(pictures))
        token = output.pooler_output if folder is dinov2 else output.last_hidden_state[:, 0]
        expected = (token / token.norm(dim=1, keepdim=True)).numpy()
        np.testing.assert_allclose(ours.embed(pictures), expected, atol=1e-5)
        np.testing.assert_allclose(ours.embed(pictures[2:]), expected[2:], atol=1e-5)
        assert abs(expected[0] - expected[1]).max() > 1e-3


def test_the_fingerprint_is_of_weights_and_preprocessing(dino):
    before = load_vision_transformer(dino).fingerprint
    assert load_vision_transformer(dino).fingerprint == before
    state = load_file(dino / WEIGHTS)
    state["layernorm.bias"] += 1
    save_file(state, dino / WEIGHTS, metadata={"format": "pt"})
    retrained = load_vision_transformer(dino).fingerprint
    settings = json.loads((dino / "preprocessor_config.json").read_text()) | {"resample": 3}
    (dino / "preprocessor_config.json").write_text(json.dumps(settings))
    assert len({before, retrained, load_vision_transformer(dino).fingerprint}) == 3


def drop_weight(folder):
    state = load_file(folder / WEIGHTS)
    del state["layernorm.bias"]
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})


def reshape_weight(folder):
    state = load_file(folder / WEIGHTS)
    state["layernorm.bias"] = torch.zeros(3)
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json: no such file"),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "bert"}'),
            "model_type 'bert'; only vit and dinov2 are known",
        ),
        (lambda f: (f / WEIGHTS).unlink(), "dino-vits16: .*model.safetensors"),
        (lambda f: (f / WEIGHTS).write_bytes(b"short"), "dino-vits16: "),
        (lambda f: (f / "preprocessor_config.json").unlink(), "dino-vits16: .*preprocessor"),
        (drop_weight, "dino-vits16: 'layernorm.bias' is missing in the weights"),
        (reshape_weight, "dino-vits16: 'layernorm.bias' is .* of another shape"),
    ],
)
def test_an_unfit_folder_is_one_clear_line(dino, damage, complaint):
    damage(dino)
    with pytest.raises(UserError, match=complaint) as error:
        load_vision_transformer(dino)
    assert len(str(error.value).splitlines()) == 1


def test_a_published_encoder_is_found_by_its_name(dino, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(dino.parent))
    save_published("facebook/dino-vits16", tmp_path / "note")
    encoder = load_extractor(tmp_path / "note")
    own = load_vision_transformer(dino)
    assert encoder.fingerprint == own.fingerprint
    found = encoder.features(pictures)
    assert list(found) == ["instance"]
    assert np.array_equal(found["instance"], own.embed(pictures))
    assert encoder.texts(["a cat"]) is None


def test_loading_says_nothing(dino, dinov2, capfd):
    capfd.readouterr()
    for folder in (dino, dinov2):
        load_vision_transformer(folder)
    assert capfd.readouterr() == ("", "")
