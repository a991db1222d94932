"""guided-diffusion checkpoints: the imported U-Net against a forward written from the layout."""

import os
import pickle
from dataclasses import replace

import pytest
import torch
from adm_reference import FFHQ, Adm, forward, random_state, shapes
from safetensors.torch import save_file

from unidad.errors import UserError
from unidad.networks.adm import (
    Architecture,
    adm_scheduler,
    check_weights,
    infer_architecture,
    load_adm,
    read_state,
)

CASES = {
    "one layer": Adm(),
    "heads of 8, 32 pixels": Adm(head=8, resolution=32, attention=(0, 1)),
    "two heads, new order": Adm(base=64, layers=2, head=64, new_order=True),
    "three levels, three layers": Adm(32, (1, 2, 3), (0, 2), layers=3, head=16),
    "ADM's multipliers": replace(FFHQ, base=32, head=16, resolution=32),
    "ADM's multipliers, new order": replace(
        FFHQ, base=32, head=32, resolution=32, new_order=True, outputs=3
    ),
    "no attention but in the middle": Adm(attention=(), head=16),
    "convolutions resample": Adm(32, (1, 2, 2), (1, 2), updown=False, layers=2, head=16),
    "time is added": Adm(scale_shift=False, head=8),
}


@pytest.fixture
def saved(tmp_path):
    """Save a random state dict, changed by a function; returns it and its path."""

    def save(adm: Adm, change=lambda state: None):
        state = random_state(adm)
        change(state)
        torch.save(state, tmp_path / "adm.pt")
        return state, tmp_path / "adm.pt"

    return save


def load(adm: Adm, path, **options):
    return load_adm(path, adm.head, adm.resolution, adm.new_order, **options)


def inputs(adm: Adm):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 3, adm.resolution, adm.resolution, generator=generator)
    return x, torch.tensor([7, 930])


def relative_error(found, expected) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("adm", CASES.values(), ids=CASES)
def test_the_imported_network_computes_what_the_published_one_does(adm, saved):
    state, path = saved(adm)
    unet = load(adm, path).model
    x, timesteps = inputs(adm)
    expected = forward(adm, state, x, timesteps)
    assert expected.std() > 0.1
    assert relative_error(unet(x, timesteps).sample, expected) < 1e-4
    assert sum(p.numel() for p in unet.parameters()) == sum(t.numel() for t in state.values())
    assert unet.config.sample_size == adm.resolution


@torch.no_grad()
def test_normalisations_add_the_published_epsilon(saved):
    """Faint activations, in double precision: an epsilon of 1e-6 would be off by 2 %."""

    def weaken(state):
        for name in [n for n in state if ".norm." not in n and "layers.0." not in n]:
            state[name] *= 0.01

    adm = Adm(head=16)
    state, path = saved(adm, weaken)
    unet = load(adm, path).model.double()
    x, timesteps = inputs(adm)
    state = {name: tensor.double() for name, tensor in state.items()}
    expected = forward(adm, state, x.double(), timesteps)
    assert relative_error(unet(x.double(), timesteps).sample, expected) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("wrong", [{"new_order": True}, {"head": 32}])
def test_what_the_weights_do_not_tell_matters(wrong, saved):
    adm = Adm(head=16)
    state, path = saved(adm)
    unet = load(replace(adm, **wrong), path).model
    x, timesteps = inputs(adm)
    assert relative_error(unet(x, timesteps).sample, forward(adm, state, x, timesteps)) > 0.01


def test_the_architecture_is_inferred():
    state = random_state(Adm(32, (1, 2, 3), (0, 2), layers=3))
    assert infer_architecture(state, "adm.pt") == Architecture(
        in_channels=3,
        out_channels=6,
        channels=(32, 64, 96),
        layers=3,
        attention=(True, False, True),
        resampling="resnet",
        time_scale_shift="scale_shift",
    )
    state = random_state(Adm(updown=False, scale_shift=False, outputs=3))
    found = infer_architecture(state, "adm.pt")
    assert (found.resampling, found.time_scale_shift) == ("conv", "default")
    assert not found.learned_variance


def test_the_ffhq_architecture_has_552_8_million_parameters():
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes(FFHQ).items()}
    architecture = infer_architecture(state, "ffhq.pt")
    unet, _ = check_weights(state, architecture, "ffhq.pt", FFHQ.head, FFHQ.resolution)
    count = sum(p.numel() for p in unet.parameters())
    assert round(count / 1e6, 1) == 552.8
    assert count == sum(tensor.numel() for tensor in state.values())
    attention = unet.mid_block.attentions[0]
    assert (attention.heads, attention.group_norm.num_groups, attention.group_norm.eps) == (
        16,
        32,
        1e-5,
    )
    assert unet.config.down_block_types == (
        *["ResnetDownsampleBlock2D"] * 3,
        *["AttnDownBlock2D"] * 3,
    )


def test_the_schedule_is_linear():
    scheduler = adm_scheduler(learned_variance=True)
    betas = torch.linspace(0.0001, 0.02, 1000, dtype=torch.float64)
    alpha_bar = (1 - betas).cumprod(0)
    assert torch.allclose(scheduler.alphas_cumprod.double(), alpha_bar, rtol=1e-4)
    assert scheduler.config.prediction_type == "epsilon"
    assert scheduler.config.variance_type == "learned_range"
    assert adm_scheduler(learned_variance=False).config.variance_type == "fixed_large"


@torch.no_grad()
def test_the_first_three_channels_are_the_noise(saved):
    adm = Adm(head=16)
    state, path = saved(adm)
    network = load(adm, path)
    sigma = torch.tensor([0.5, 80.0])
    scaled, _ = inputs(adm)
    x = scaled * (1 + sigma**2).sqrt()[:, None, None, None]
    eps = forward(adm, state, scaled, torch.tensor([144, 930]))[:, :3]
    expected = x - sigma[:, None, None, None] * eps
    for found, wanted in zip(network(x, sigma), expected, strict=True):
        assert relative_error(found, wanted) < 1e-4


@torch.no_grad()
def test_the_variance_is_dropped_on_demand(saved):
    adm = Adm()
    state, path = saved(adm)
    network = load(adm, path, drop_variance=True)
    unet, scheduler = network.model, network.scheduler
    x, timesteps = inputs(adm)
    expected = forward(adm, state, x, timesteps)[:, :3]
    assert relative_error(unet(x, timesteps).sample, expected) < 1e-4
    assert scheduler.config.variance_type == "fixed_large"
    _, path = saved(replace(adm, outputs=3))
    with pytest.raises(UserError, match="no learned variance to drop"):
        load(adm, path, drop_variance=True)


@pytest.mark.parametrize("updown", [True, False])
def test_features_are_those_of_the_full_pass(updown, saved, check_features):
    adm = Adm(32, (1, 2, 3), (1, 2), layers=2, head=16, updown=updown)
    network = load(adm, saved(adm)[1])
    features = check_features(network, inputs(adm)[0], torch.tensor([0.3, 20.0]))
    assert len(features) == 1 + 3 * 2 + 2 + 1, "as the original's input_blocks, and the middle"
    assert {name: tuple(f.shape[1:]) for name, f in features.items() if "/" not in name} == {
        "down0": (32, 8, 8),
        "down1": (64, 4, 4),
        "down2": (96, 4, 4),
        "middle": (96, 4, 4),
    }


def test_safetensors_and_other_precisions(tmp_path, saved):
    adm = Adm()
    state, path = saved(adm, lambda s: s.update({n: t.half() for n, t in s.items()}))
    save_file({name: t.contiguous() for name, t in state.items()}, tmp_path / "a.safetensors")
    first, second = (load(adm, at).model for at in (path, tmp_path / "a.safetensors"))
    assert first.dtype == torch.float32
    assert torch.equal(first.conv_in.weight, state["input_blocks.0.0.weight"].float())
    second = second.state_dict()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.state_dict().items())


# mistakes --------------------------------------------------------------------------------------

QKV = "input_blocks.3.1.qkv.weight"
NORM = "output_blocks.2.0.in_layers.0.bias"


def change_qkv(state):
    state[QKV] = state[QKV][..., 0]


def drop_upsampling(state):
    for name in [name for name in state if name.startswith("output_blocks.1.2.")]:
        del state[name]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda s: s.pop(NORM), f"architecture: no '{NORM}' in the file"),
        (
            lambda s: [s.pop(NORM), s.pop(QKV), s.update(stray=s["out.0.bias"])],
            rf"no '{QKV}' in the file \(and 2 more\)",
        ),
        (lambda s: s.pop("out.2.weight"), "no fit 'out.2.weight' in the file"),
        (lambda s: s.pop("time_embed.0.weight"), "no fit 'time_embed.0.weight' in the file"),
        (
            lambda s: s.update({"output_blocks.9.0.in_layers.0.bias": torch.ones(3)}),
            "'output_blocks.9.0.in_layers.0.bias' is not in the model",
        ),
        (change_qkv, rf"'{QKV}' is \(192, 64\) in the file, \(192, 64, 1\) in the model"),
        (
            lambda s: s.update({"out.2.bias": torch.ones(7)}),
            r"'out.2.bias' is \(7,\) in the file, \(6,\) in the model",
        ),
        (
            lambda s: s.update({"label_emb.weight": torch.ones(10, 128)}),
            "'label_emb.weight': class-conditional",
        ),
        (drop_upsampling, "no up-sampling layers in 'output_blocks'"),
        (
            lambda s: s.update({"time_embed.0.weight": torch.ones(256, 64)}),
            "first block has 32 channels, the time embedding 64",
        ),
        (
            lambda s: s.update({"input_blocks.3.0.in_layers.2.weight": torch.ones(40, 32, 3, 3)}),
            "a block of 40 channels; expected multiples of 32",
        ),
        (
            lambda s: s.update({"input_blocks.0.0.weight": torch.ones(32, 6, 3, 3)}),
            "6 input channels; only models of RGB images",
        ),
        (
            lambda s: s.update({"out.2.weight": torch.ones(4, 32, 3, 3)}),
            "'out.2.weight': 4 output channels; expected 3, or 6",
        ),
        (lambda s: s.update(step=7), "'step' is no named tensor; save"),
        (
            lambda s: s.update(step=torch.ones(1).int()),
            "'step': expected floating-point numbers, found torch.int32",
        ),
        (lambda s: s.clear(), "no up-sampling layers in 'output_blocks'"),
    ],
)
def test_an_unfit_state_dict_is_one_line_that_names_the_tensor(
    change, complaint, saved, complaint_of
):
    _, path = saved(Adm(), change)
    with complaint_of(f"{path}: ", complaint):
        load_adm(path, 32, 16, drop_variance=True)


class Harm:
    """A pickle that runs code when it is loaded."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (
            lambda p: torch.save({"model": Harm()}, p),
            "holds a pickled 'posix.mkdir', which is never",
        ),
        (lambda p: p.write_bytes(pickle.dumps(Harm())), "not a readable file of torch.save"),
        (lambda p: p.write_text("hello world\n"), "not a readable file of torch.save"),
        (lambda p: p.write_text("<html>404</html>"), "not a readable file of torch.save"),
        (lambda p: p.write_bytes(b""), "not a readable file of torch.save"),
        (
            lambda p: torch.save([torch.ones(2)], p),
            "'list' is no named tensor",
        ),
        (
            lambda p: torch.save({1: torch.ones(2)}, p),
            "'1' is no named tensor",
        ),
        (lambda p: None, "no such file"),
    ],
)
def test_what_is_no_state_dict_is_never_unpickled(
    write, complaint, tmp_path, monkeypatch, complaint_of
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "adm.pt"
    write(path)
    with complaint_of(f"{path}: ", complaint):
        read_state(path)
    assert not (tmp_path / "harm").exists()


def test_a_truncated_file_is_named(saved):
    _, path = saved(Adm())
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(UserError, match=r"adm\.pt: not a readable file"):
        read_state(path)
    path = path.rename(path.with_suffix(".safetensors"))
    with pytest.raises(UserError, match=r"adm\.safetensors: not a readable safetensors file"):
        read_state(path)


@pytest.mark.parametrize(
    ("head", "resolution", "complaint"),
    [
        (48, 16, "--head-channels 48: does not divide a block of 64 channels"),
        (0, 16, "--head-channels 0: does not divide"),
        (32, 15, "--resolution 15: expected a multiple of 2, since the U-Net halves 1 times"),
        (32, 0, "--resolution 0: expected a multiple of 2"),
    ],
)
def test_options_that_do_not_divide(head, resolution, complaint, saved):
    with pytest.raises(UserError, match=complaint):
        load_adm(saved(Adm())[1], head, resolution)
