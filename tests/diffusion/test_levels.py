import math
from statistics import NormalDist

import pytest
import torch

from unidad.config.diffusion import Diffusion
from unidad.diffusion.levels import few_step_levels, of_network, sampler_of, training_levels
from unidad.diffusion.process import sample_ddim, sample_few_step, sample_heun
from unidad.errors import UserError

ALPHA_BAR = torch.tensor([0.8, 0.5, 0.1])


def test_karras_levels_of_the_section():
    """rho 1 spaces them evenly: 1, 2, 3, 4, 5."""
    section = Diffusion(spacing="karras", levels=5, sigma_min=1, sigma_max=5, rho=1)
    assert training_levels(section, ALPHA_BAR).tolist() == [1, 2, 3, 4, 5]


def test_lognormal_levels_of_the_section():
    """Quartiles' middles: exp(mean + std * q(1/8, 3/8, 5/8, 7/8)); the ends are clipped."""
    section = Diffusion(
        spacing="lognormal",
        levels=4,
        lognormal_mean=0.5,
        lognormal_std=2.0,
        sigma_min=0.3,
        sigma_max=10,
    )
    quantiles = [NormalDist(0.5, 2.0).inv_cdf((i + 0.5) / 4) for i in range(4)]
    expected = [min(max(math.exp(q), 0.3), 10) for q in quantiles]
    assert expected[0] == 0.3
    assert expected[3] == 10
    assert training_levels(section, ALPHA_BAR).tolist() == pytest.approx(expected, rel=1e-6)


def test_timesteps_bring_levels_and_range_of_their_own():
    """sqrt(0.2 / 0.8), sqrt(0.5 / 0.5), sqrt(0.9 / 0.1)."""
    section = Diffusion(spacing="timesteps", levels=7)
    assert training_levels(section, ALPHA_BAR).tolist() == pytest.approx([0.5, 1, 3], rel=1e-6)
    own = of_network(section, ALPHA_BAR)
    assert (own.sigma_min, own.sigma_max) == pytest.approx((0.5, 3), rel=1e-6)
    assert few_step_levels(1, own).tolist() == pytest.approx([3], rel=1e-6)
    assert of_network(Diffusion(), ALPHA_BAR) == Diffusion()


def test_a_network_s_levels_are_its_timesteps_one_by_one(network):
    """Its highest is the level of the last timestep, where a one-step student starts."""
    section = Diffusion(spacing="timesteps")
    alpha_bar = network.scheduler.alphas_cumprod
    levels = training_levels(section, alpha_bar)
    assert network.timesteps(levels).tolist() == list(range(1000))
    first = few_step_levels(1, of_network(section, alpha_bar))
    assert first.item() == pytest.approx(network.sigma_max, rel=1e-6)


@pytest.mark.parametrize(
    ("first", "expected"),
    [(None, [80, math.sqrt(40), 0.5]), (20, [20, math.sqrt(10), 0.5]), (0.6, [0.6, 0.3**0.5, 0.5])],
)
def test_few_step_levels_start_at_the_student_s_own_first(first, expected):
    section = Diffusion(student_sigma_max=first)
    assert few_step_levels(3, section).tolist() == pytest.approx(expected, rel=1e-6)


def test_one_step_is_the_first_level_alone():
    assert few_step_levels(1, Diffusion(student_sigma_max=20)).tolist() == [20]


@pytest.mark.parametrize(
    ("name", "nfe", "sampler", "levels"),
    [
        ("few_step", 2, sample_few_step, [8, 0.25]),
        ("ddim", 3, sample_ddim, [5, 3, 1]),
        ("heun", 5, sample_heun, [5, 3, 1]),
    ],
)
def test_sampler_with_its_levels_spends_nfe_evaluations(name, nfe, sampler, levels):
    section = Diffusion(
        sigma_min=1, sigma_max=5, rho=1, student_sigma_max=8, student_sigma_min=0.25
    )
    found, found_levels = sampler_of(name, nfe, section)
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
        sampler_of(name, nfe, Diffusion())
