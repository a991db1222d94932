import numpy as np
import pytest

from unidad.metrics.grain import grain, grain_ratio
from unidad.synthetic.faces import render

DRAW = np.random.default_rng(0)


def ramps(count=40, size=32, step=2.0):
    """Images that grow evenly from left to right and from top to bottom."""
    row = step * np.arange(size)
    ramp = 40 + row[:, None] / 2 + row[None, :]
    return np.repeat(np.stack([ramp] * count)[..., None], 3, axis=3)


def noisy(images, deviation):
    return (images + DRAW.normal(0, deviation, images.shape)).round().clip(0, 255).astype(np.uint8)


def test_a_gradient_of_colour_is_no_grain():
    assert grain(ramps().astype(np.uint8)) == 0


@pytest.mark.parametrize("deviation", [2.0, 8.0])
@pytest.mark.parametrize("size", [32, 64])
def test_white_noise_keeps_its_standard_deviation(deviation, size):
    """With the 1/12 that rounding to whole grey levels adds to the variance."""
    found = grain(noisy(ramps(size=size), deviation))
    assert found == pytest.approx(np.sqrt(deviation**2 + 1 / 12), rel=0.04)


def test_noise_behind_an_edge_does_not_count():
    """Left half flat, right half steep stripes with noise: the flattest fifth is on the left."""
    images = np.full((20, 32, 32, 3), 128.0)
    images[:, :, 18:] = 255.0 * (np.arange(14) % 4 < 2)[None, None, :, None]
    images[:, :, 18:] += DRAW.normal(0, 20, images[:, :, 18:].shape)
    assert grain(images.clip(0, 255).astype(np.uint8)) == 0


def test_the_ratio_is_to_real_images():
    faces = render("faces", 5, range(120), 32).images
    others = render("faces", 6, range(120), 32).images
    assert grain_ratio(others, faces) == pytest.approx(1, abs=0.15)
    assert grain_ratio(noisy(others, 2.0), faces) > 1.4
    assert grain_ratio(faces, ramps().astype(np.uint8)) is None
