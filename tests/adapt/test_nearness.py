"""Near or far, from how photos and a base's own images lie in features."""

import numpy as np
import pytest

from unidad.adapt.nearness import ENOUGH, Nearness, measure, share_alike
from unidad.shipped import SHIPPED_FEATURE_NETWORK, SHIPPED_SOURCE_STUDENT
from unidad.synthetic.faces import render


def test_the_share_of_samples_beyond_a_photo():
    """On a line all that counts is the side: 3 of 8 lie beyond 5, 2 beyond 6, none beyond 9."""
    drawn = np.array([0, 1, 2, 3, 4, 5.5, 7, 8])[:, None]
    photos = np.array([[5.0], [6.0], [9.0]])
    assert share_alike(drawn, photos) == pytest.approx(2 / 8)
    assert share_alike(-drawn, -photos) == pytest.approx(2 / 8)


def test_what_varies_little_in_the_base_counts_much():
    """Photos lie in the midst of the base along one axis, and off it along a narrow one."""
    random = np.random.default_rng(0)
    drawn = random.normal(size=(400, 2)) * [3, 0.5]
    photos = np.array([[5.0, 2.5], [-5.0, 2.6], [0.0, 2.4]])
    assert share_alike(drawn, photos) == 0
    assert share_alike(drawn, photos * [1, 0]) > 0.1


def test_photos_are_alike_to_a_base_that_draws_them():
    rows = np.random.default_rng(0).normal(size=(300, 100))
    assert share_alike(rows[:250], rows[250:]) > 0.2


@pytest.mark.parametrize(("share", "word"), [(ENOUGH, "near"), (ENOUGH - 1e-6, "far")])
def test_the_number_is_told(share, word):
    found = Nearness(share, 512)
    assert found.near == (word == "near")
    assert str(found).startswith(f"{word}: 0.7% of 512 images")


@pytest.mark.slow
@pytest.mark.parametrize(("domain", "near"), [("sunglasses", True), ("cats", False)])
def test_the_shipped_base_knows_near_from_far_domains(domain, near):
    photos = render(domain, 3, range(10), 64).images
    found = measure(photos, SHIPPED_SOURCE_STUDENT, SHIPPED_FEATURE_NETWORK)
    assert found.near == near
