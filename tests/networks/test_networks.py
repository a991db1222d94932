import pytest
import torch
from safetensors.torch import load_file, save_file

from unidad.diffusion.process import add_noise
from unidad.errors import UserError
from unidad.networks.backbone import frozen
from unidad.networks.codec import PixelUnshuffle
from unidad.networks.discriminator import build_discriminator
from unidad.networks.registry import load_backbone
from unidad.networks.unet import UNet, new_network

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def test_timesteps_of_the_papers_levels(network):
    """SPEC section 7: t(80) = 930, t(6.32) = 604, t(0.5) = 144."""
    assert network.timesteps(torch.tensor([80.0, 6.32, 0.5])).tolist() == [930, 604, 144]


def test_timesteps_are_the_nearest_alpha_bar(network):
    sigma = torch.logspace(-3, 2.5, 200)
    alpha_bar = network.scheduler.alphas_cumprod.double()
    distance = (alpha_bar[None] - 1 / (1 + sigma.double()[:, None] ** 2)).abs()
    assert torch.equal(network.timesteps(sigma), distance.argmin(1))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_prediction_types_against_diffusers_scheduler(prediction):
    """At a sigma that is a timestep's own, x0 equals DDPMScheduler's pred_original_sample."""
    torch.manual_seed(0)
    network = new_network(16, 2, (32, 32), prediction_type=prediction)
    scheduler = network.scheduler
    scheduler.register_to_config(clip_sample=False)
    t = 300
    alpha_bar = scheduler.alphas_cumprod[t]
    sigma = ((1 - alpha_bar) / alpha_bar).sqrt()
    x = add_noise(torch.randn(2, 12, 8, 8), torch.randn(2, 12, 8, 8), sigma.expand(2))
    scaled = x * alpha_bar.sqrt()
    output = network.unet(scaled, t).sample
    expected = scheduler.step(output, t, scaled).pred_original_sample
    assert torch.allclose(network(x, sigma.expand(2)), expected, atol=1e-4)


def test_learned_variance_channels_are_ignored(network):
    from diffusers import UNet2DModel

    config = dict(network.unet.config) | {"out_channels": 24}
    wide = UNet2DModel.from_config(config)
    state = wide.state_dict()
    narrow = network.unet.state_dict()
    for name, tensor in state.items():
        tensor.copy_(narrow[name] if tensor.shape == narrow[name].shape else 7.0)
    for name in ("conv_out.weight", "conv_out.bias"):
        state[name][:12] = narrow[name]
    both = UNet(wide, network.scheduler)
    x, sigma = torch.randn(2, 12, 8, 8), torch.tensor([1.0, 5.0])
    assert torch.allclose(both(x, sigma), network(x, sigma), atol=1e-6)


def test_features_are_those_of_the_full_pass_without_the_decoder(network, check_features):
    features = check_features(network, torch.randn(2, 12, 8, 8), torch.tensor([0.3, 20.0]))
    assert list(features) == ["down0/in", "down0/0", "down0", "down1", "middle"]


def test_frozen_lets_gradients_through_but_not_in(network):
    x = torch.randn(1, 12, 8, 8, requires_grad=True)
    with frozen(network):
        network(x, torch.ones(1)).sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


def test_bf16_stays_close_and_float32_outside(network):
    x, sigma = torch.randn(2, 12, 8, 8), torch.tensor([0.5, 2.0])
    exact = network(x, sigma)
    network.bf16 = True
    rough = network(x, sigma)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    assert torch.allclose(rough, exact, atol=0.05, rtol=0.05)


def test_codec_is_a_permutation_and_its_own_inverse():
    images = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)
    codec = PixelUnshuffle(2)
    encoded = codec.encode(images)
    assert encoded.shape == (2, 12, 2, 2)
    assert encoded[0, :4, 0, 0].tolist() == [0, 1, 4, 5]
    assert torch.equal(codec.decode(encoded), images)
    assert PixelUnshuffle.for_channels(12).factor == 2
    assert PixelUnshuffle.for_channels(3).factor == 1
    with pytest.raises(ValueError, match="not RGB"):
        PixelUnshuffle.for_channels(4)


def test_multi_head_equals_a_1x1_convolution_then_the_mean():
    torch.manual_seed(0)
    channels = {"down0": 4, "middle": 6}
    heads = build_discriminator("multi", channels)
    features = {"down0": torch.randn(3, 4, 5, 5), "middle": torch.randn(3, 6, 2, 2)}
    columns = []
    for name, feature in features.items():
        head = heads.heads[name]
        weight = head.weight.reshape(1, -1, 1, 1)
        convolved = torch.nn.functional.conv2d(feature, weight, head.bias)
        columns.append(convolved.mean((1, 2, 3)))
    assert torch.allclose(heads(features), torch.stack(columns, 1), atol=1e-6)
    assert build_discriminator("single", {"middle": 32})(
        {"middle": torch.ones(3, 32, 2, 2)}
    ).shape == (3, 1)
    assert build_discriminator("none", channels) is None


def test_the_strided_head_looks_at_a_whole_map_of_8x8():
    head = build_discriminator("single", {"middle": 32}, "strided")
    assert head({"middle": torch.ones(3, 32, 8, 8)}).shape == (3, 1)
    assert [layer.kernel_size[0] for layer in head.layers[::3]] == [4, 4, 1]
    with pytest.raises(UserError, match="wants a middle block of 8x8, this network's is 4x4"):
        head({"middle": torch.ones(3, 32, 4, 4)})


def test_heads_within_blocks_are_those_of_the_released_code():
    """Its 19 at 256x256: a convolution, six blocks of two, five downsamplers, the middle."""
    channels = {"down0/in": 8}
    for block in range(6):
        channels |= {f"down{block}/{place}": 8 for place in range(2 if block < 5 else 1)}
        channels[f"down{block}"] = 8
    channels["middle"] = 8
    features = {name: torch.randn(2, 8, 1, 1) for name in channels}
    assert build_discriminator("residual", channels)(features).shape == (2, 19)
    assert build_discriminator("multi", channels)(features).shape == (2, 7)


def test_folder_round_trip(model_folder, network):
    loaded = load_backbone(model_folder)
    x, sigma = torch.randn(1, 12, 8, 8), torch.ones(1)
    assert torch.equal(loaded(x, sigma), network(x, sigma))


def corrupt(folder, change):
    state = load_file(folder / WEIGHTS)
    change(state)
    save_file(state, folder / WEIGHTS)


def test_unfit_weights_are_named(model_folder):
    corrupt(model_folder, lambda s: s.update({"conv_in.bias": torch.zeros(7)}))
    with pytest.raises(UserError, match=r"another architecture: 'conv_in.bias' is \(7,\).*\(32,\)"):
        load_backbone(model_folder)
    corrupt(model_folder, lambda s: s.pop("conv_in.bias"))
    with pytest.raises(UserError, match=r"no 'conv_in.bias' in the file"):
        load_backbone(model_folder)


def test_unexpected_weights_are_named(model_folder):
    corrupt(model_folder, lambda s: s.update({"extra.weight": torch.zeros(1)}))
    with pytest.raises(UserError, match=r"'extra.weight' is not in the model"):
        load_backbone(model_folder)


def test_missing_and_unreadable_files(model_folder, tmp_path):
    with pytest.raises(UserError, match=r"config.json: no such file"):
        load_backbone(tmp_path / "nothing")
    (model_folder / WEIGHTS).write_text("not safetensors")
    with pytest.raises(UserError, match="not a readable safetensors file"):
        load_backbone(model_folder)
    (model_folder / WEIGHTS).unlink()
    with pytest.raises(UserError, match="weights are missing"):
        load_backbone(model_folder)
