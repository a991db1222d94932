import json

import numpy as np
import pytest
import torch
from adm_reference import Adm, random_state
from safetensors.torch import load_file

from unidad.errors import UserError
from unidad.features.clip import save_clip
from unidad.features.extractors import load_extractor
from unidad.features.pretrained import FOLDER
from unidad.features.protocols import PROTOCOLS
from unidad.files import write_json
from unidad.models.place import place
from unidad.models.recipes import Placing
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.unet import new_network
from unidad.sampling import load_image_model

UNET = f"unet/{WEIGHTS_NAME}"


def test_a_source_teacher_becomes_a_float32_many_step_model(tmp_path, network):
    """As it ships: bfloat16 weights, no model_index.json."""
    origin = tmp_path / "origin"
    network.model.bfloat16()
    network.model.save_pretrained(origin / "unet")
    network.scheduler.save_pretrained(origin / "scheduler")
    place(Placing(origin=str(origin)), tmp_path / "placed")
    given, placed = load_file(origin / UNET), load_file(tmp_path / "placed" / UNET)
    assert given.keys() == placed.keys()
    assert {tensor.dtype for tensor in placed.values()} == {torch.float32}
    assert all(torch.equal(given[name].float(), placed[name]) for name in given)
    index = json.loads((tmp_path / "placed" / "model_index.json").read_text())
    assert (index["sampler"], index["nfe"]) == ("ddim", 25)
    placed = load_image_model(tmp_path / "placed").network
    assert placed.scheduler.config.prediction_type == "v_prediction"


def other_architecture(folder):
    other = new_network(16, 2, (32, 64))
    other.model.save_pretrained(folder / "unet")
    config = json.loads((folder / "unet" / "config.json").read_text())
    write_json(folder / "unet" / "config.json", config | {"block_out_channels": [32, 32]})


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda f: (f / UNET).unlink(), f"{WEIGHTS_NAME}: weights are missing"),
        (lambda f: (f / UNET).write_bytes(b"{}"), "not a readable safetensors file"),
        (lambda f: (f / "unet" / "config.json").unlink(), "a model folder holds unet/"),
        (lambda f: (f / "unet" / "config.json").write_text("{"), "not valid JSON"),
        (other_architecture, f"{WEIGHTS_NAME}: weights of another architecture: "),
    ],
)
def test_an_unfit_source_teacher_is_one_clear_line(
    model_folder, tmp_path, damage, complaint, complaint_of
):
    damage(model_folder)
    with complaint_of(model_folder, complaint):
        place(Placing(origin=str(model_folder)), tmp_path / "placed")
    assert not list(tmp_path.glob("placed*"))


def test_a_feature_network_is_copied_to_the_bit(feature_network, tmp_path):
    place(Placing(origin=str(feature_network)), tmp_path / "placed")
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "placed" / name).read_bytes() == (feature_network / name).read_bytes()


def test_an_unfit_feature_network_leaves_nothing(feature_network, tmp_path):
    write_json(feature_network / "config.json", {"name": "colours"})
    with pytest.raises(UserError, match="not a feature network's configuration"):
        place(Placing(origin=str(feature_network)), tmp_path / "placed")
    assert not list(tmp_path.glob("placed*"))


def test_a_checkpoint_is_imported_as_source_teacher(tmp_path):
    adm = Adm(base=64, multipliers=(1, 1), attention=(1,), head=64)
    torch.save(random_state(adm), tmp_path / "tiny.pt")
    place(
        Placing(origin=str(tmp_path / "tiny.pt"), resolution=16), tmp_path / "teacher", "typed this"
    )
    assert load_image_model(tmp_path / "teacher").network.shape == (3, 16, 16)
    assert "typed this" in (tmp_path / "teacher/README.md").read_text()


class Malicious:
    def __reduce__(self):
        return (open, ("stolen.txt", "w"))


def test_a_malicious_checkpoint_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"time_embed.0.weight": Malicious()}, "bad.pt")
    with pytest.raises(UserError) as caught:
        place(Placing(origin="bad.pt"), tmp_path / "teacher")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("bad.pt: holds a pickled '")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pt"]


def test_networks_that_measure_a_subject_are_copied(saved_clip, encoder_folder, tmp_path, sets):
    images = sets["samples"].images
    for origin, name in ((saved_clip, "a"), (encoder_folder, "b")):
        place(Placing(origin=str(origin)), tmp_path / name)
        expected = load_extractor(origin).features(images)
        found = load_extractor(tmp_path / name).features(images)
        assert expected.keys() == found.keys()
        assert all(np.array_equal(rows, found[key]) for key, rows in expected.items())
    (encoder_folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors: no such file"):
        place(Placing(origin=str(encoder_folder)), tmp_path / "c")


def test_published_networks_are_noted_and_found_when_needed(
    clip, dino, tmp_path, sets, monkeypatch
):
    save_clip(clip, tmp_path / "clip-vit-base-patch32")
    for name in ("clip", "encoder"):
        place(Placing(origin=getattr(PROTOCOLS["unidad"], name)), tmp_path / name)
    note = json.loads((tmp_path / "encoder" / "config.json").read_text())
    assert note == {"published": "facebook/dino-vits16"}
    monkeypatch.setenv(FOLDER, str(tmp_path))
    images = sets["samples"].images
    found = load_extractor(tmp_path / "clip", tmp_path / "encoder")
    rows = found.features(images)
    assert np.array_equal(rows["clip"], clip.images(images))
    assert rows["instance"].shape == (6, 16)
    assert np.array_equal(found.texts(["a cat"]), clip.texts(["a cat"]))


def test_inception_and_lpips_are_noted_with_their_settings(tmp_path):
    place(Placing(origin="published", mode="clean"), tmp_path / "placed")
    note = json.loads((tmp_path / "placed" / "config.json").read_text())
    assert note == {"published": {"mode": "clean", "trunk": "vgg", "dinov2": False}}


def test_what_ships_is_found_by_its_name(tmp_path):
    place(Placing(origin="shipped:synthetic-faces-features"), tmp_path / "placed")
    assert load_extractor(tmp_path / "placed").name == "synthetic-faces"
    with pytest.raises(UserError, match="shipped:faces: nothing of this name ships; choose one of"):
        place(Placing(origin="shipped:faces"), tmp_path / "other")
