import numpy as np
import pytest

from unidad.errors import UserError
from unidad.metrics.attributes import attribute_coverage, attribute_spread


def test_spread_is_the_mean_of_clipped_ratios():
    """Ratios 1/2 and 2, which counts as 1; the third column does not vary in held-out images."""
    held_out = np.array([[0.0, 0.4, 0.50], [1.0, 0.6, 0.51]])
    samples = np.array([[0.25, 0.3, 0.0], [0.75, 0.7, 1.0]])
    assert attribute_spread(samples, held_out) == pytest.approx((0.5 + 1) / 2)


def test_copies_have_no_spread_and_equal_sets_all_of_it():
    held_out = np.random.default_rng(0).random((50, 4))
    assert attribute_spread(np.repeat(held_out[:1], 9, 0), held_out) == pytest.approx(0)
    assert attribute_spread(held_out, held_out) == pytest.approx(1)


def test_coverage_counts_held_out_images_near_a_sample():
    """Held out 0, 0.1, 0.2, 0.4, 1 have radii 0.1, 0.1, 0.1, 0.2, 0.6 (k = 1).

    The sample 0.29 is nearer than that to 0.2 and 0.4 alone.
    """
    held_out = np.array([[0.0], [0.1], [0.2], [0.4], [1.0]])
    assert attribute_coverage([[0.29]], held_out, k=1) == pytest.approx(2 / 5)


def test_attributes_weigh_the_same_whatever_their_range():
    """A rectangle 1 by 0.2 becomes a square; 0.4 along it is nearer to two corners than a side."""
    held_out = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.2], [1.0, 0.2]])
    assert attribute_coverage([[0.4, 0.0]], held_out, k=1) == pytest.approx(2 / 4)


def test_coverage_of_an_equal_distribution_is_as_expected():
    """1 - (M / (M + N))^k, here 1 - (2/3)^5 = 0.868."""
    draw = np.random.default_rng(3)
    found = attribute_coverage(draw.random((500, 3)), draw.random((1000, 3)))
    assert found == pytest.approx(1 - (2 / 3) ** 5, abs=0.03)


def test_held_out_images_that_are_all_alike_are_refused():
    with pytest.raises(UserError, match="no predicted attribute varies"):
        attribute_spread(np.random.default_rng(0).random((5, 2)), np.full((5, 2), 0.3))
