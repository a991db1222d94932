import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from unidad.errors import UserError
from unidad.metrics.monge import monge_distance

DRAW = np.random.default_rng(1)


def test_one_dimension_by_hand():
    """Sorted: 0 to 1, 2 to 5, 4 to 6: (1 + 9 + 4) / 3."""
    assert monge_distance([[4.0], [0.0], [2.0]], [[5.0], [6.0], [1.0]]) == pytest.approx(14 / 3)


def test_unequal_numbers_share_their_mass_by_hand():
    """Of 0 and 6, each a half, onto 0, 3, 6: a third stays, a sixth each goes 3, a third stays."""
    assert monge_distance([[0.0], [6.0]], [[6.0], [0.0], [3.0]]) == pytest.approx(9 / 3)


def test_copies_of_all_rows_change_nothing():
    first, second = DRAW.normal(size=(5, 3)), DRAW.normal(size=(4, 3))
    expected = monge_distance(first, second)
    assert monge_distance(np.tile(first, (3, 1)), second) == pytest.approx(expected)
    assert monge_distance(second, first) == pytest.approx(expected)
    assert monge_distance(first, np.tile(first, (2, 1))) == pytest.approx(0)


def test_a_shift_counts_as_in_the_frechet_distance():
    """The mean of D cos² over directions is 1: within four standard errors of 1000."""
    rows, shift = DRAW.normal(size=(30, 10)), np.full(10, 0.5)
    error = 4 * (2 * 9 / 12 / 1000) ** 0.5
    assert monge_distance(rows, rows + shift) == pytest.approx(2.5, rel=error)


def test_both_moments_equal_still_differ():
    """A coin against a Gaussian of its mean and variance, which no Fréchet distance tells apart."""
    coin = np.array([[-1.0], [1.0]])
    gaussian = DRAW.normal(size=(4000, 1))
    gaussian = (gaussian - gaussian.mean()) / gaussian.std()
    by_hand = 2 - 2 * np.abs(gaussian).mean()
    assert monge_distance(coin, gaussian) == pytest.approx(by_hand, rel=0.02)
    assert wasserstein_distance(coin[:, 0], gaussian[:, 0]) > 0.4


def test_directions_are_seeded():
    first, second = DRAW.normal(size=(20, 4)), DRAW.normal(1, 2, size=(30, 4))
    assert monge_distance(first, second) == monge_distance(first, second)
    assert monge_distance(first, second) != monge_distance(first, second, seed=1)


def test_other_features_are_refused():
    with pytest.raises(UserError, match="of 3 and of 4 dims"):
        monge_distance(np.zeros((2, 3)), np.zeros((2, 4)))
