import copy

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel

from unidad.networks.backbone import frozen
from unidad.networks.codec import LatentCodec
from unidad.networks.discriminator import build_discriminator
from unidad.networks.text_to_image import TextToImageUNet

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.fixture
def make_network(tiny_unet, tiny_vae):
    def make(prediction: str = "epsilon") -> TextToImageUNet:
        scheduler = DDPMScheduler(**BETAS, prediction_type=prediction, clip_sample=False)
        return TextToImageUNet(tiny_unet, scheduler, LatentCodec(tiny_vae))

    return make


@pytest.fixture
def net(make_network):
    return make_network()


def condition(count: int) -> torch.Tensor:
    return torch.randn(count, 77, 32)


def sigma_of(scheduler: DDPMScheduler, t: list[int]) -> torch.Tensor:
    alpha_bar = scheduler.alphas_cumprod[t]
    return ((1 - alpha_bar) / alpha_bar).sqrt()


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_x0_is_that_of_diffusers_scheduler_at_the_mapped_timestep(make_network, prediction):
    net = make_network(prediction)
    t = [999, 500, 3]
    sigma, text = sigma_of(net.scheduler, t), condition(3)
    x = torch.randn(3, 4, 8, 8) * (1 + sigma**2).sqrt().reshape(-1, 1, 1, 1)
    results = net(x, sigma, text)
    for i, timestep in enumerate(t):
        alpha = net.scheduler.alphas_cumprod[timestep].sqrt()
        x_t = alpha * x[i : i + 1]
        output = net.unet(x_t, timestep, encoder_hidden_states=text[i : i + 1]).sample
        expected = net.scheduler.step(output, timestep, x_t).pred_original_sample
        torch.testing.assert_close(results[i : i + 1], expected, rtol=1e-4, atol=1e-4)


def test_timesteps_of_stable_diffusion(net):
    """sigma_max 14.6146 and sigma(500) are known of the scaled-linear betas."""
    assert net.sigma_max == pytest.approx(14.6146, abs=1e-4)
    levels = torch.tensor([net.sigma_max, 80.0, *sigma_of(net.scheduler, [500, 1, 0]), 1e-4])
    assert net.timesteps(levels).tolist() == [999, 999, 500, 1, 0, 0]


def test_the_text_matters_and_must_be_there(net):
    x, sigma = torch.randn(1, 4, 8, 8), torch.ones(1)
    text = condition(2)
    assert not torch.allclose(net(x, sigma, text[:1]), net(x, sigma, text[1:]), atol=1e-3)
    for call in (net, net.features):
        with pytest.raises(ValueError, match="needs text embeddings"):
            call(x, sigma)


def test_features_are_those_of_the_full_pass_without_the_decoder(net, check_features):
    x, sigma, text = torch.randn(2, 4, 8, 8), torch.tensor([0.3, 10.0]), condition(2)
    assert list(check_features(net, x, sigma, text)) == [
        *("down0/in", "down0/0", "down0", "down1", "middle")
    ]


@pytest.mark.parametrize("name", ["down0", "down1", "middle"])
def test_gradient_reaches_the_image_through_features(net, name):
    """Against a central difference along the gradient itself."""
    x, sigma, text = torch.randn(1, 4, 8, 8, requires_grad=True), torch.ones(1), condition(1)
    with frozen(net):
        net.features(x, sigma, text)[name].square().mean().backward()
    assert all(p.grad is None and p.requires_grad for p in net.unet.parameters())
    step = 1e-2 * x.grad / x.grad.norm()
    with torch.no_grad():
        ahead, behind = (
            net.features(x + sign * step, sigma, text)[name].double().square().mean()
            for sign in (1, -1)
        )
    assert x.grad.norm() > 0
    assert (ahead - behind).item() == pytest.approx(2e-2 * x.grad.norm().item(), rel=0.02)


@pytest.mark.parametrize(("heads", "count"), [("multi", 3), ("residual", 5), ("single", 1)])
def test_discriminator_heads_work_on_the_features(net, heads, count):
    features = net.features(torch.randn(2, 4, 8, 8), torch.ones(2), condition(2))
    assert {name: tuple(f.shape) for name, f in features.items() if "/" not in name} == {
        "down0": (2, 32, 4, 4),
        "down1": (2, 64, 4, 4),
        "middle": (2, 64, 4, 4),
    }
    logits = build_discriminator(heads, net.feature_channels)(features)
    assert logits.shape == (2, count)
    assert logits[0, 0] != logits[1, 0]


def test_bf16_stays_close_and_float32_outside(net):
    x, sigma, text = torch.randn(2, 4, 8, 8), torch.tensor([0.5, 2.0]), condition(2)
    exact = net(x, sigma, text)
    net.bf16 = True
    rough = net(x, sigma, text)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    assert torch.allclose(rough, exact, atol=0.05, rtol=0.05)


def test_the_autoencoder_is_no_part_of_the_network_and_is_shared_by_copies(net):
    assert net.shape == (4, 8, 8)
    assert all(name.startswith("unet.") for name in net.state_dict())
    other = copy.deepcopy(net)
    assert other.codec.vae is net.codec.vae
    assert other.unet is not net.unet


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"in_channels": 9}, "takes 9 channels, the autoencoder's latents have 4"),
        (
            {
                "addition_embed_type": "text_time",
                "addition_time_embed_dim": 8,
                "projection_class_embeddings_input_dim": 80,
            },
            "'addition_embed_type' is 'text_time': this U-Net wants more than text",
        ),
        ({"mid_block_type": None}, "no middle block"),
    ],
)
def test_other_layouts_are_refused(tiny_unet, tiny_vae, settings, complaint):
    unet = UNet2DConditionModel(
        **{k: v for k, v in tiny_unet.config.items() if k[0] != "_"} | settings
    )
    with pytest.raises(ValueError, match=complaint):
        TextToImageUNet(unet, DDPMScheduler(**BETAS), LatentCodec(tiny_vae))
