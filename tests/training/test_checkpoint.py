import copy

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from unidad.errors import UserError
from unidad.networks import weights
from unidad.networks.weights import write_weights
from unidad.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint

NAME = "iteration-00000007.safetensors"


def trained(steps: int):
    """A network whose convolution weights lie in memory as channels_last, and its optimiser."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3))
    network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.01, fused=True)
    for step in range(steps):
        train_once(network, optimiser, step)
    return network, optimiser


def train_once(network, optimiser, step):
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(step))
    network(x.to(memory_format=torch.channels_last)).square().mean().backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def saved(folder, iteration=7, steps=2):
    network, optimiser = trained(steps)
    counters = {"iteration": iteration, "updates": {"student": 2}, "seconds": 1.25}
    path = save_checkpoint(folder, counters, {"student": network}, {"student": optimiser})
    return path, network, optimiser


def equal(first: nn.Module, second: nn.Module) -> bool:
    states = first.state_dict(), second.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_everything_comes_back_to_the_bit(tmp_path):
    path, network, optimiser = saved(tmp_path / "state")
    assert path.name == NAME
    fresh, fresh_optimiser = trained(0)
    assert not equal(network, fresh)
    counters = load_checkpoint(path, {"student": fresh}, {"student": fresh_optimiser})
    assert counters == {"iteration": 7, "updates": {"student": 2}, "seconds": 1.25}
    assert equal(network, fresh)
    assert fresh.state_dict()["1.num_batches_tracked"] == 2
    moments, fresh_moments = (o.state_dict()["state"] for o in (optimiser, fresh_optimiser))
    assert len(fresh_moments) == 6
    for index, state in moments.items():
        assert fresh_moments[index]["step"] == 2
        for key in ("exp_avg", "exp_avg_sq"):
            assert torch.equal(state[key], fresh_moments[index][key])


def test_training_goes_on_to_the_same_bits_in_channels_last(tmp_path):
    """Fused AdamW walks weights and moments as flat arrays: their strides must agree."""
    path, network, optimiser = saved(tmp_path)
    fresh, fresh_optimiser = trained(0)
    load_checkpoint(path, {"student": fresh}, {"student": fresh_optimiser})
    for parameter, state in fresh_optimiser.state.items():
        assert state["exp_avg"].stride() == parameter.stride()
        assert state["exp_avg_sq"].stride() == parameter.stride()
    assert fresh[0].weight.stride() == (27, 1, 9, 3)
    for step in (2, 3):
        train_once(network, optimiser, step)
        train_once(fresh, fresh_optimiser, step)
    assert equal(network, fresh)


def test_the_newest_alone_is_kept(tmp_path):
    for iteration in (5, 10, 100):
        saved(tmp_path, iteration)
    assert [path.name for path in checkpoints(tmp_path)] == ["iteration-00000100.safetensors"]


def test_a_crash_while_writing_leaves_the_former_checkpoint(tmp_path, monkeypatch):
    saved(tmp_path)

    def crash(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise OSError("cable pulled")

    monkeypatch.setattr(weights, "save_file", crash)
    with pytest.raises(OSError, match="cable pulled"):
        saved(tmp_path, iteration=9, steps=3)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    fresh, fresh_optimiser = trained(0)
    modules, optimisers = {"student": fresh}, {"student": fresh_optimiser}
    assert load_checkpoint(checkpoints(tmp_path)[-1], modules, optimisers)["iteration"] == 7
    monkeypatch.undo()
    saved(tmp_path, iteration=9, steps=3)
    assert [path.name for path in tmp_path.iterdir()] == ["iteration-00000009.safetensors"]


def test_a_crash_before_the_older_one_is_deleted_goes_on_from_the_newer(tmp_path):
    older = saved(tmp_path)[0].read_bytes()
    saved(tmp_path, iteration=12)
    (tmp_path / NAME).write_bytes(older)
    assert checkpoints(tmp_path)[-1].name == "iteration-00000012.safetensors"


def damage(path, kind):
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-10])
    elif kind == "garbage":
        path.write_bytes(b"\xff" * 100)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "foreign":
        save_file({"x": torch.zeros(2)}, path)
    elif kind == "no counters":
        write_weights(path, {"x": torch.zeros(2)})
    elif kind == "no checksum":
        save_file({"x": torch.zeros(2)}, path, metadata={"counters": "{}"})
    elif kind == "a flipped bit":
        flip(path, -5)
    elif kind == "another counter":
        path.write_bytes(path.read_bytes().replace(b"1.25", b"1.24"))


def flip(path, place):
    """Flip the lowest bit of a byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


KINDS = ["truncated", "garbage", "empty", "foreign"]
KINDS += ["no counters", "no checksum", "a flipped bit", "another counter"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_checkpoint_is_one_clear_line(tmp_path, kind):
    path, network, optimiser = saved(tmp_path)
    before = copy.deepcopy(network)
    damage(path, kind)
    with pytest.raises(UserError, match=f"{NAME}: not a readable checkpoint .*; delete it") as e:
        load_checkpoint(path, {"student": network}, {"student": optimiser})
    assert len(str(e.value).splitlines()) == 1
    assert equal(before, network)


def test_another_architecture_names_the_first_key_that_does_not_fit(tmp_path):
    path, _, optimiser = saved(tmp_path)
    other = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 2, 3))
    with pytest.raises(UserError, match=r"'0.weight' is \(4, 3, 3, 3\) in the file, \(5, 3, 3, 3"):
        load_checkpoint(path, {"student": other}, {"student": optimiser})
    with pytest.raises(UserError, match=r"no '0\.weight' in the file"):
        load_checkpoint(path, {"teacher": other}, {})


def test_every_byte_of_a_checkpoint_counts(tmp_path):
    """A flipped bit, wherever it is, is refused."""
    path, network, optimiser = saved(tmp_path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 41):
        path.write_bytes(whole)
        flip(path, place)
        with pytest.raises(UserError, match=f"{NAME}: .*delete it, and the run starts anew$"):
            load_checkpoint(path, {"student": network}, {"student": optimiser})


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_values_that_are_not_finite_are_neither_written_nor_read(tmp_path, monkeypatch, value):
    path, network, optimiser = saved(tmp_path)
    network[1].running_mean[2] = value
    complaint = "'module/student/1.running_mean' holds NaN or infinite values"
    with pytest.raises(UserError, match=rf"00009\.safetensors: {complaint}; nothing was written"):
        save_checkpoint(tmp_path, {"iteration": 9}, {"student": network}, {})
    assert checkpoints(tmp_path) == [path]
    monkeypatch.setattr(weights, "check_finite", lambda *_: None)
    path = save_checkpoint(tmp_path, {"iteration": 9}, {"student": network}, {})
    with pytest.raises(UserError, match=rf"00009\.safetensors: {complaint}; delete it"):
        load_checkpoint(path, {"student": network}, {"student": optimiser})
