import json

import numpy as np
import pytest

from unidad.errors import UserError
from unidad.features import pretrained
from unidad.features.clip import load_clip, save_clip
from unidad.features.extractors import load_extractor
from unidad.features.pretrained import FOLDER, published_folder
from unidad.features.protocols import (
    PROTOCOLS,
    SubjectProtocol,
    find_protocol,
    place_networks,
)
from unidad.features.scene_network import load_scene_network


def test_the_protocols_are_those_of_the_papers():
    names = {name: (p.clip, p.encoder, p.clamp) for name, p in PROTOCOLS.items()}
    assert names["unidad"] == ("openai/clip-vit-base-patch32", "facebook/dino-vits16", False)
    assert names["echodistill"] == (
        "openai/clip-vit-large-patch14-336",
        "facebook/dinov2-large",
        True,
    )
    assert not names["synthetic"][2]
    with pytest.raises(UserError, match="'dreambooth' is unknown; choose one of synthetic, unidad"):
        find_protocol("dreambooth")


def test_networks_of_folders_are_copied(saved_clip, encoder_folder, tmp_path, sets):
    protocol = SubjectProtocol(saved_clip, encoder_folder)
    place_networks(protocol, tmp_path / "a", tmp_path / "b")
    images = sets["samples"].images
    found, encoder = (load_extractor(tmp_path / name) for name in "ab")
    assert np.array_equal(found.images(images), load_clip(saved_clip).images(images))
    expected = load_scene_network(encoder_folder)
    assert np.array_equal(encoder.embed(images), expected.embed(images))
    (encoder_folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors: no such file"):
        place_networks(protocol, tmp_path / "c", tmp_path / "d")


def test_published_networks_are_noted_and_found_when_needed(
    clip, dino, tmp_path, sets, monkeypatch
):
    save_clip(clip, tmp_path / "clip-vit-base-patch32")
    place_networks(PROTOCOLS["unidad"], tmp_path / "a", tmp_path / "b")
    note = json.loads((tmp_path / "b" / "config.json").read_text())
    assert note == {"published": "facebook/dino-vits16"}
    monkeypatch.setenv(FOLDER, str(tmp_path))
    images = sets["samples"].images
    found = load_extractor(tmp_path / "a", tmp_path / "b")
    rows = found.features(images)
    assert np.array_equal(rows["clip"], clip.images(images))
    assert rows["instance"].shape == (6, 16)
    assert np.array_equal(found.texts(["a cat"]), clip.texts(["a cat"]))


def test_a_folder_of_weights_that_lacks_a_model_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(UserError) as error:
        published_folder("facebook/dinov2-large")
    place = tmp_path / "dinov2-large"
    assert str(error.value) == (
        f"{place}: no such model; `hf download facebook/dinov2-large --local-dir {place}` "
        "puts it there"
    )


def test_without_a_network_the_missing_model_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="facebook/dinov2-large: its weights are neither") as error:
        published_folder("facebook/dinov2-large")
    assert FOLDER in str(error.value)
    assert "`hf download facebook/dinov2-large" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_one_format_of_weights_is_fetched(tmp_path, monkeypatch):
    """Not every author publishes safetensors."""
    asked = []

    def fetch(name, allow_patterns):
        asked.append(allow_patterns[-1])
        if allow_patterns[-1] == "pytorch_model.bin":
            (tmp_path / "pytorch_model.bin").touch()
        return str(tmp_path)

    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setattr(pretrained, "snapshot_download", fetch)
    assert published_folder("openai/clip") == tmp_path
    assert asked == ["model.safetensors", "pytorch_model.bin"]
