import math

import pytest
import torch

from unidad.diffusion import process as diffusion


def test_karras_levels_against_the_formula():
    levels = diffusion.karras_levels(1000)
    assert levels[0] == pytest.approx(0.002)
    assert levels[-1] == pytest.approx(80)
    middle = (0.002 ** (1 / 7) + 300 / 999 * (80 ** (1 / 7) - 0.002 ** (1 / 7))) ** 7
    assert levels[300] == pytest.approx(middle, rel=1e-5)


def test_student_levels_are_log_linear():
    assert diffusion.student_levels(3).tolist() == pytest.approx([80, math.sqrt(40), 0.5])
    assert diffusion.student_levels(1).tolist() == [80]
    four = diffusion.student_levels(4, 64, 1)
    assert four.tolist() == pytest.approx([64, 16, 4, 1])
    with pytest.raises(ValueError, match="at least 1"):
        diffusion.student_levels(0)


def test_levels_of_timesteps():
    """sqrt(0.2 / 0.8), sqrt(0.5 / 0.5), sqrt(0.9 / 0.1)."""
    levels = diffusion.timestep_levels(torch.tensor([0.8, 0.5, 0.1]))
    assert levels.tolist() == pytest.approx([0.5, 1, 3], rel=1e-6)
    assert levels.dtype == torch.float32


def test_draw_levels_leaves_out_both_ends():
    levels = torch.arange(100.0)
    generator = torch.Generator().manual_seed(0)
    drawn = diffusion.draw_levels(levels, 20000, generator, inner=0.02)
    assert drawn.min() == 2
    assert drawn.max() == 97
    everything = diffusion.draw_levels(levels, 20000, generator)
    assert everything.min() == 0
    assert everything.max() == 99


@pytest.fixture
def triple():
    generator = torch.Generator().manual_seed(1)
    x0, eps = (torch.randn(4, 3, 2, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    sigma = torch.tensor([0.01, 0.5, 6.0, 80.0], dtype=torch.float64)
    return x0, eps, sigma, diffusion.add_noise(x0, eps, sigma)


def test_eps_and_v_predictions_of_the_true_noise_give_x0(triple):
    x0, eps, sigma, x = triple
    assert torch.allclose(diffusion.x0_from_eps(x, eps, sigma), x0)
    assert torch.allclose(diffusion.eps_from_x0(x, x0, sigma), eps)
    alpha = (1 / (1 + sigma**2)).sqrt().reshape(-1, 1, 1, 1)
    sigma_t = sigma.reshape(-1, 1, 1, 1) * alpha
    v = alpha * eps - sigma_t * x0
    assert torch.allclose(diffusion.x0_from_v(x, v, sigma), x0)
    assert torch.allclose(diffusion.v_from_x0(x, x0, sigma), v)


def gaussian_denoiser(mean: float, std: float):
    """E[x0 | x] for x0 ~ N(mean, std^2): (std^2 x + sigma^2 mean) / (std^2 + sigma^2)."""

    def net(x, sigma):
        variance = diffusion.per_image(sigma, x) ** 2
        return (std**2 * x + variance * mean) / (std**2 + variance)

    return net


@pytest.mark.parametrize(("name", "nfe", "order"), [("ddim", 501, 1), ("heun", 101, 2)])
def test_many_step_samplers_converge_to_the_closed_form_of_a_gaussian(name, nfe, order):
    """dx/dsigma = (x - E[x0|x]) / sigma: x - mean goes as sqrt(std^2 + sigma^2)."""
    mean, std = 0.3, 0.5
    z = torch.linspace(-2, 2, 9, dtype=torch.float64).reshape(1, 1, 3, 3)
    expected = mean + (80 * z - mean) * std / math.sqrt(std**2 + 80**2)
    errors = []
    for evaluations in (nfe, 2 * nfe - 1):
        sampler, levels = diffusion.many_step_sampler(name, evaluations)
        result = sampler(gaussian_denoiser(mean, std), levels.double(), lambda: z)
        errors.append((result - expected).abs().max().item())
    assert errors[1] < 5e-3
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.1)


@pytest.mark.parametrize(("name", "nfe"), [("ddim", 25), ("heun", 25), ("few_step", 3)])
def test_samplers_spend_exactly_their_evaluations(name, nfe):
    calls = []

    def net(x, sigma):
        calls.append(sigma)
        return 0 * x

    if name == "few_step":
        sampler, levels = diffusion.sample_few_step, diffusion.student_levels(nfe)
    else:
        sampler, levels = diffusion.many_step_sampler(name, nfe)
    sampler(net, levels, lambda: torch.ones(1, 1, 2, 2))
    assert len(calls) == nfe


def test_unknown_sampler_and_even_heun_are_refused():
    with pytest.raises(ValueError, match="no sampler 'euler'"):
        diffusion.many_step_sampler("euler", 5)
    with pytest.raises(ValueError, match="odd"):
        diffusion.many_step_sampler("heun", 4)


def test_few_step_by_hand():
    """Two levels, net(x, sigma) = x / 2: x0 = 10 z1 / 2, then (x0 + 1 z2) / 2."""
    draws = iter([torch.full((1, 1, 1, 1), 0.8), torch.full((1, 1, 1, 1), -1.0)])
    levels = torch.tensor([10.0, 1.0])
    result = diffusion.sample_few_step(lambda x, sigma: x / 2, levels, lambda: next(draws))
    assert result.item() == pytest.approx((10 * 0.8 / 2 - 1.0) / 2)


def test_indexed_noise_does_not_depend_on_the_batch():
    together = diffusion.IndexedNoise(5, [0, 1, 2], (3, 4, 4))
    alone = diffusion.IndexedNoise(5, [2], (3, 4, 4))
    for _ in range(2):
        assert torch.equal(together()[2], alone()[0])
    assert not torch.equal(
        diffusion.IndexedNoise(6, [2], (3, 4, 4))(), diffusion.IndexedNoise(5, [2], (3, 4, 4))()
    )
