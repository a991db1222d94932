import numpy as np
import pytest
from prdc import compute_prdc

from unidad.errors import UserError
from unidad.metrics.prdc import prdc


@pytest.mark.parametrize("shift", [0.0, 0.7, 20.0])
def test_equals_the_published_package(shift):
    draw = np.random.default_rng(0)
    real, fake = draw.normal(size=(150, 8)), draw.normal(shift, 0.9, size=(130, 8))
    assert prdc(fake, real, k=5) == pytest.approx(compute_prdc(real, fake, nearest_k=5))


def test_hand_computed():
    """Reference 0, 1, 3 with radii 1, 1, 2; samples 0.5, 10, 12 with radii 9.5, 2, 2 (k = 1).

    0.5 lies within the balls of 0 and 1; the balls of 10 and 12 hold no reference image, that of
    0.5 holds all.
    """
    found = prdc([[0.5], [10.0], [12.0]], [[0.0], [1.0], [3.0]], k=1)
    expected = {"precision": 1 / 3, "recall": 1.0, "density": 2 / 3, "coverage": 2 / 3}
    assert found == pytest.approx(expected)


def test_as_many_samples_as_neighbours_are_too_few():
    with pytest.raises(UserError, match=r"samples: 5 images, .* at least 6"):
        prdc(np.zeros((5, 2)), np.zeros((9, 2)))
