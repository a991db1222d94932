import math

import pytest
import torch

from unidad.config.diffusion import Diffusion
from unidad.diffusion import samplers
from unidad.diffusion.process import per_image
from unidad.errors import UserError


def gaussian_denoiser(mean: float, std: float):
    """E[x0 | x] for x0 ~ N(mean, std^2): (std^2 x + sigma^2 mean) / (std^2 + sigma^2)."""

    def net(x, sigma):
        variance = per_image(sigma, x) ** 2
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
        sampler, levels = samplers.sampler_of(name, evaluations, Diffusion())
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

    sampler, levels = samplers.sampler_of(
        name, nfe, Diffusion(student_sigma_max=80, student_sigma_min=0.5)
    )
    sampler(net, levels, lambda: torch.ones(1, 1, 2, 2))
    assert len(calls) == nfe


def test_few_step_by_hand():
    """Two levels, net(x, sigma) = x / 2: x0 = 10 z1 / 2, then (x0 + 1 z2) / 2."""
    draws = iter([torch.full((1, 1, 1, 1), 0.8), torch.full((1, 1, 1, 1), -1.0)])
    levels = torch.tensor([10.0, 1.0])
    result = samplers.sample_few_step(lambda x, sigma: x / 2, levels, lambda: next(draws))
    assert result.item() == pytest.approx((10 * 0.8 / 2 - 1.0) / 2)


def test_indexed_noise_does_not_depend_on_the_batch():
    together = samplers.IndexedNoise(5, [0, 1, 2], (3, 4, 4))
    alone = samplers.IndexedNoise(5, [2], (3, 4, 4))
    for _ in range(2):
        assert torch.equal(together()[2], alone()[0])
    assert not torch.equal(
        samplers.IndexedNoise(6, [2], (3, 4, 4))(), samplers.IndexedNoise(5, [2], (3, 4, 4))()
    )


@pytest.mark.parametrize(
    ("name", "nfe", "sampler", "levels"),
    [
        ("few_step", 2, samplers.sample_few_step, [8, 0.25]),
        ("ddim", 3, samplers.sample_ddim, [5, 3, 1]),
        ("heun", 5, samplers.sample_heun, [5, 3, 1]),
    ],
)
def test_sampler_with_its_levels_spends_nfe_evaluations(name, nfe, sampler, levels):
    section = Diffusion(
        sigma_min=1, sigma_max=5, rho=1, student_sigma_max=8, student_sigma_min=0.25
    )
    found, found_levels = samplers.sampler_of(name, nfe, section)
    assert found is sampler
    assert found_levels.tolist() == pytest.approx(levels, rel=1e-6)
    calls = []

    def net(x, sigma):
        calls.append(sigma[0].item())
        return 0 * x

    found(net, found_levels, lambda: torch.ones(1, 1, 1, 1))
    assert len(calls) == nfe


@pytest.mark.parametrize(
    ("name", "nfe", "complaint"),
    [
        ("euler", 5, "no sampler 'euler'"),
        ("heun", 4, "no sampler 'heun' with nfe 4: .* heun an odd nfe"),
        ("few_step", 0, "nfe must be at least 1, got 0"),
        ("ddim", 0, "nfe must be at least 1, got 0"),
        ("heun", -1, "nfe must be at least 1, got -1"),
    ],
)
def test_what_a_sampler_cannot_do_is_a_user_s_mistake(name, nfe, complaint):
    with pytest.raises(UserError, match=complaint):
        samplers.sampler_of(name, nfe, Diffusion())


@pytest.mark.parametrize(("solver", "name", "nfe"), [("ddim", "ddim", 4), ("heun", "heun", 7)])
def test_single_steps_add_up_to_the_sampler(solver, name, nfe):
    """The levels of a many-step sampler, one `ode_step` each, the last one to 0."""
    z = torch.linspace(-2, 2, 9, dtype=torch.float64).reshape(1, 1, 3, 3)
    net = gaussian_denoiser(0.3, 0.5)
    sampler, levels = samplers.sampler_of(name, nfe, Diffusion())
    levels = levels.double()
    x = levels[0] * z
    for sigma, following in zip(levels, [*levels[1:], levels.new_zeros(())], strict=True):
        x = samplers.ode_step(net, x, sigma[None], following[None], solver)
    assert torch.allclose(x, sampler(net, levels, lambda: z), atol=1e-10)


def test_each_image_takes_a_step_of_its_own():
    z = torch.randn(2, 1, 3, 3, dtype=torch.float64)
    net, sigma = gaussian_denoiser(0.3, 0.5), torch.tensor([4.0, 2.0]).double()
    following = torch.tensor([1.0, 0.0]).double()
    both = samplers.ode_step(net, z, sigma, following, "heun")
    for i in range(2):
        one = slice(i, i + 1)
        alone = samplers.ode_step(net, z[one], sigma[one], following[one], "heun")
        assert torch.allclose(both[one], alone)
