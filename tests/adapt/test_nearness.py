"""Near or far, from how photos and a base's own images lie in features."""

import numpy as np
import pytest

from unidad.adapt.nearness import ENOUGH, Nearness, share_among


def test_the_share_of_samples_nearer_to_a_photo_than_photos_are_to_each_other():
    """Photos on a line at 0, 1, 3, 7: nearest others are 1, 1, 2, 4 away, their median is 1."""
    photos = np.array([[0.0], [1.0], [3.0], [7.0]])
    drawn = np.array([[0.5], [7.9], [8.1], [4.1], [-2.0]])
    assert share_among(drawn, photos) == pytest.approx(2 / 5)


@pytest.mark.parametrize(("share", "word"), [(ENOUGH, "near"), (ENOUGH - 1e-6, "far")])
def test_the_number_is_told(share, word):
    found = Nearness(share, 512)
    assert found.near == (word == "near")
    assert str(found).startswith(f"{word}: 1.0% of 512 images")
