import math
from statistics import NormalDist

import pytest
import torch

from unidad.config.diffusion import Diffusion
from unidad.diffusion.levels import (
    draw_levels,
    few_step_levels,
    karras_levels,
    of_network,
    student_levels,
    timestep_levels,
    training_levels,
)

TRAINED = timestep_levels(torch.tensor([0.8, 0.5, 0.1]))


def test_karras_levels_of_the_section():
    """rho 1 spaces them evenly: 1, 2, 3, 4, 5."""
    section = Diffusion(spacing="karras", levels=5, sigma_min=1, sigma_max=5, rho=1)
    assert training_levels(section, TRAINED).tolist() == [1, 2, 3, 4, 5]


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
    assert training_levels(section, TRAINED).tolist() == pytest.approx(expected, rel=1e-6)


def test_timesteps_bring_levels_and_range_of_their_own():
    """sqrt(0.2 / 0.8), sqrt(0.5 / 0.5), sqrt(0.9 / 0.1)."""
    section = Diffusion(spacing="timesteps", levels=7)
    assert training_levels(section, TRAINED).tolist() == pytest.approx([0.5, 1, 3], rel=1e-6)
    own = of_network(section, TRAINED, 64)
    assert (own.sigma_min, own.sigma_max) == pytest.approx((0.5, 3), rel=1e-6)
    assert few_step_levels(1, own).tolist() == pytest.approx([3], rel=1e-6)


def test_null_levels_are_in_proportion_to_the_resolution():
    """The paper's 80 and 0.5 at 256x256 are 20 and 0.125 at 64x64."""
    for side, first, last in ((256, 80, 0.5), (64, 20, 0.125), (32, 10, 0.0625)):
        found = of_network(Diffusion(), TRAINED, side)
        assert (found.sigma_min, found.sigma_max) == (0.002, 80)
        assert few_step_levels(3, found).tolist() == pytest.approx(
            [first, math.sqrt(first * last), last], rel=1e-6
        )
        assert found.lognormal_mean == pytest.approx(-0.8 + math.log(side / 32))
        assert of_network(found, TRAINED, 16) == found


def test_a_network_s_levels_are_its_timesteps_one_by_one(network):
    """Its highest is the level of the last timestep, where a one-step student starts."""
    section = Diffusion(spacing="timesteps")
    levels = training_levels(section, network.trained_levels)
    assert network.timesteps(levels).tolist() == list(range(1000))
    first = few_step_levels(1, network.noise_process(section))
    assert first.item() == pytest.approx(network.sigma_max, rel=1e-6)


@pytest.mark.parametrize(
    ("first", "expected"),
    [(None, [80, math.sqrt(40), 0.5]), (20, [20, math.sqrt(10), 0.5]), (0.6, [0.6, 0.3**0.5, 0.5])],
)
def test_few_step_levels_start_at_the_student_s_own_first(first, expected):
    section = of_network(Diffusion(student_sigma_max=first), TRAINED, 256)
    assert few_step_levels(3, section).tolist() == pytest.approx(expected, rel=1e-6)


def test_one_step_is_the_first_level_alone():
    section = Diffusion(student_sigma_max=20, student_sigma_min=0.5)
    assert few_step_levels(1, section).tolist() == [20]


def test_karras_levels_against_the_formula():
    levels = karras_levels(1000)
    assert levels[0] == pytest.approx(0.002)
    assert levels[-1] == pytest.approx(80)
    middle = (0.002 ** (1 / 7) + 300 / 999 * (80 ** (1 / 7) - 0.002 ** (1 / 7))) ** 7
    assert levels[300] == pytest.approx(middle, rel=1e-5)


def test_student_levels_are_log_linear():
    assert student_levels(3).tolist() == pytest.approx([80, math.sqrt(40), 0.5])
    assert student_levels(1).tolist() == [80]
    four = student_levels(4, 64, 1)
    assert four.tolist() == pytest.approx([64, 16, 4, 1])
    with pytest.raises(ValueError, match="at least 1"):
        student_levels(0)


def test_levels_of_timesteps():
    """sqrt(0.2 / 0.8), sqrt(0.5 / 0.5), sqrt(0.9 / 0.1)."""
    levels = timestep_levels(torch.tensor([0.8, 0.5, 0.1]))
    assert levels.tolist() == pytest.approx([0.5, 1, 3], rel=1e-6)
    assert levels.dtype == torch.float32


def test_draw_levels_leaves_out_both_ends():
    levels = torch.arange(100.0)
    generator = torch.Generator().manual_seed(0)
    drawn = draw_levels(levels, 20000, generator, inner=0.02)
    assert drawn.min() == 2
    assert drawn.max() == 97
    everything = draw_levels(levels, 20000, generator)
    assert everything.min() == 0
    assert everything.max() == 99
