import pytest
import torch

from unidad.diffusion.process import per_image, x0_from_eps
from unidad.networks.guidance import guided
from unidad.networks.registry import load_backbone
from unidad.networks.text_to_image_folder import load_codec


@pytest.fixture
def net(stable_diffusion):
    return load_backbone(stable_diffusion, codec=load_codec(stable_diffusion))


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    sigma = torch.tensor([0.4, 9.0])
    x = torch.randn(2, 4, 8, 8, generator=generator) * sigma.reshape(-1, 1, 1, 1)
    return x, sigma, *(torch.randn(n, 77, 32, generator=generator) for n in (2, 1))


@torch.no_grad()
def test_guiding_x0_is_guiding_the_noise(net, inputs):
    x, sigma, text, null = inputs
    eps_text = (x - net(x, sigma, text)) / per_image(sigma, x)
    eps_null = (x - net(x, sigma, null.expand(2, -1, -1))) / per_image(sigma, x)
    expected = x0_from_eps(x, eps_null + 7.5 * (eps_text - eps_null), sigma)
    result = guided(net, null, 7.5)(x, sigma, text)
    torch.testing.assert_close(result, expected, rtol=1e-3, atol=1e-4)
    assert (result - net(x, sigma, text)).abs().max() > 0.1


def test_one_batched_pass_and_at_scale_1_no_more_than_the_network_s_own(net, inputs):
    x, sigma, text, null = inputs
    batches = []
    net.model.register_forward_hook(lambda m, a, out: batches.append(len(out.sample)))
    guided(net, null, 7.5)(x, sigma, text)
    assert batches == [4]
    guided(net, null, 1)(x, sigma, text)
    assert batches == [4, 2]


def test_the_null_condition_is_no_weight(net, inputs):
    teacher = guided(net, inputs[3], 2.0)
    assert teacher.state_dict().keys() == {f"net.{name}" for name in net.state_dict()}
