"""Files of weights: what is written comes back to the bit, or is refused."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from unidad.errors import UserError
from unidad.networks.weights import read_weights, write_weights

STATE = {
    "scalar": torch.tensor(7),
    "empty": torch.zeros(0, 3),
    "half": torch.arange(12.0).view(3, 4).bfloat16(),
    "view": torch.arange(6.0).view(2, 3).t(),
    "flags": torch.tensor([True, False]),
}


@pytest.fixture
def path(tmp_path):
    write_weights(tmp_path / "w.safetensors", STATE)
    return tmp_path / "w.safetensors"


def test_tensors_come_back_as_they_were(path):
    for state in (read_weights(path), load_file(path)):
        assert state.keys() == STATE.keys()
        for name, tensor in STATE.items():
            assert state[name].dtype == tensor.dtype
            assert torch.equal(state[name], tensor)


def test_tied_weights_are_written_twice(tmp_path):
    tied = torch.arange(3.0)
    write_weights(tmp_path / "w.safetensors", {"a": tied, "b": tied})
    assert torch.equal(read_weights(tmp_path / "w.safetensors")["b"], tied)


def test_a_file_without_a_checksum_is_read(path):
    save_file(load_file(path), path)
    assert torch.equal(read_weights(path)["half"], STATE["half"])


@pytest.mark.parametrize("renamed", ["scalar", "flags"])
def test_renamed_and_changed_tensors_are_refused(path, renamed):
    whole = path.read_bytes()
    for changed in (whole.replace(renamed.encode(), renamed[::-1].encode()), whole[:-1] + b"\7"):
        path.write_bytes(changed)
        with pytest.raises(
            UserError, match=r"w\.safetensors: .*changed since.*copy the model anew"
        ):
            read_weights(path)


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_nan_is_refused(tmp_path, complaint_of, ending):
    state, path = {"weight": torch.tensor([0.0, float("nan")])}, tmp_path / f"w.{ending}"
    (save_file if ending == "safetensors" else torch.save)(state, path)
    with complaint_of(path, "'weight' holds NaN or infinite values; train or copy the model anew"):
        read_weights(path)


def test_nan_is_not_written(tmp_path, complaint_of):
    state, path = {"a": torch.ones(2), "b": torch.tensor(float("inf"))}, tmp_path / "w.safetensors"
    with complaint_of(path, "'b' holds NaN or infinite values; nothing was written"):
        write_weights(path, state)
    assert list(tmp_path.iterdir()) == []
