"""Files of weights: what is written comes back to the bit, or is refused."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from unidad.errors import UserError
from unidad.networks.weights import part_of_state, read_safetensors, read_weights, write_weights

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


def test_the_same_tensors_are_the_same_bytes(tmp_path):
    """Whatever order safetensors gives to the entries of the metadata."""
    told = {f"entry{i}": 'a "quoted"\n\x7f\x01 line — ✓' for i in range(5)}
    for i in range(8):
        write_weights(tmp_path / f"{i}.safetensors", STATE | {'"é\\': STATE["half"]}, **told)
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1
    state, about = read_safetensors(tmp_path / "0.safetensors")
    assert told.items() <= about.items()
    assert torch.equal(state['"é\\'], STATE["half"])


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


BOTH = {f"{place}.{name}": torch.ones(2) for place in ("a", "b") for name in ("in", "out")}
EXPECTED = {"in": torch.zeros(2), "out": torch.zeros(2)}


@pytest.mark.parametrize(
    ("state", "prefix"),
    [
        ({"in": torch.ones(2), "out": torch.ones(2)}, None),
        ({name: tensor for name, tensor in BOTH.items() if name != "b.out"}, None),
        (BOTH, "b."),
    ],
)
def test_one_network_of_a_file(state, prefix):
    found = part_of_state(state, EXPECTED, prefix, "w.bin")
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "in": [1, 1],
        "out": [1, 1],
    }


@pytest.mark.parametrize(
    ("state", "prefix", "match"),
    [
        (BOTH, None, r"networks below 'a\.' and 'b\.'; name one as fake_score_prefix"),
        (BOTH, "c.", "another architecture: no 'in' in the file"),
        ({"in": torch.ones(2)}, None, "another architecture: no 'out' in the file"),
        ({"x.in": torch.ones(2), "x.out": torch.ones(3)}, None, r"'out' is \(3,\) in the file"),
    ],
)
def test_no_one_network_of_a_file(complaint_of, state, prefix, match):
    with complaint_of("w.bin", match):
        part_of_state(state, EXPECTED, prefix, "w.bin")
