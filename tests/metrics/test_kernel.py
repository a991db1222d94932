import numpy as np
import pytest
from cleanfid.fid import kernel_distance as cleanfid_kernel_distance

from unidad.errors import UserError
from unidad.metrics.kernel import kernel_distance

DRAW = np.random.default_rng(1)
FIRST = DRAW.normal(size=(120, 6))
SECOND = DRAW.normal(0.4, 1.2, size=(120, 6))


def test_equals_cleanfid_on_whole_sets():
    expected = cleanfid_kernel_distance(FIRST, SECOND, num_subsets=1, max_subset_size=120)
    assert expected > 0.1
    assert kernel_distance(FIRST, SECOND, subsets=1) == pytest.approx(expected, rel=1e-9)


def test_equals_the_formula_by_hand():
    """k(0, 2) = 1, k(1, 3) = 64; k(0, 1) = k(0, 3) = 1, k(2, 1) = 27, k(2, 3) = 343."""
    assert kernel_distance([[0.0], [2.0]], [[1.0], [3.0]], subsets=1) == 1 + 64 - 2 * 372 / 4


def test_subsets_are_seeded_and_average_to_the_whole():
    first, again, other = (
        kernel_distance(FIRST, SECOND, subsets=50, subset_size=60, seed=s) for s in (3, 3, 4)
    )
    assert first == again
    assert first != other
    whole = kernel_distance(FIRST, SECOND, subsets=1)
    assert first == pytest.approx(whole, rel=0.2)
    assert other == pytest.approx(whole, rel=0.2)


def test_unbiased_around_zero_for_equal_distributions():
    """A biased estimate would be above 0 in every trial."""
    draw = np.random.default_rng(2)
    trials = [
        kernel_distance(draw.normal(size=(40, 4)), draw.normal(size=(40, 4)), subsets=1)
        for _ in range(200)
    ]
    assert 40 < sum(trial < 0 for trial in trials) < 180
    assert abs(np.mean(trials)) < 3 * np.std(trials) / 200**0.5


def test_one_sample_is_refused():
    with pytest.raises(UserError, match="the reference: 1 images"):
        kernel_distance(np.zeros((4, 3)), np.zeros((1, 3)))
