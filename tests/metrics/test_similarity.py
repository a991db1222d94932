import numpy as np
import pytest

from unidad.errors import UserError
from unidad.metrics.rows import TooFewRowsError
from unidad.metrics.similarity import similarity_to_photos, similarity_to_prompts

PHOTOS = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
IMAGES = np.array([[0.6, 0.8], [-0.8, 0.6], [0.0, -1.0]], np.float32)


@pytest.mark.parametrize(("clamp", "expected"), [(False, 0.2 / 6), (True, 2.0 / 6)])
def test_mean_cosine_to_photos_by_hand(clamp, expected):
    """0.6, 0.8; -0.8, 0.6; 0, -1."""
    assert similarity_to_photos(IMAGES, PHOTOS, False, clamp) == pytest.approx(expected)


@pytest.mark.parametrize(("clamp", "expected"), [(False, -0.2 / 3), (True, 0.6 / 3)])
def test_photos_are_not_compared_with_themselves(clamp, expected):
    """Of (1, 0), (0.6, 0.8) and (0, -1): 0.6, 0 and -0.8."""
    photos = np.array([[1, 0], [0.6, 0.8], [0, -1]])
    assert similarity_to_photos(photos, photos, True, clamp) == pytest.approx(expected)
    with pytest.raises(TooFewRowsError):
        similarity_to_photos(photos[:1], photos[:1], True, clamp)


@pytest.mark.parametrize(("clamp", "expected"), [(False, 0.2 / 3), (True, 1.2 / 3)])
def test_each_image_meets_its_own_prompt_alone(clamp, expected):
    """0.6, 0.6 and -1."""
    prompts = np.array([[1, 0], [0, 1], [0, 1]])
    assert similarity_to_prompts(IMAGES, prompts, clamp) == pytest.approx(expected)


def test_features_of_two_networks_cannot_be_compared():
    others = np.ones((3, 3))
    with pytest.raises(UserError, match="2 and of 3 dims"):
        similarity_to_photos(IMAGES, others, False, False)
    with pytest.raises(UserError, match="2 and of 3 dims"):
        similarity_to_prompts(IMAGES, others)
