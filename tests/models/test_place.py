import json

import pytest
import torch
from adm_reference import Adm, random_state
from safetensors.torch import load_file

from unidad.errors import UserError
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
