"""Grain: noise where a picture is flat, which Fréchet distance hardly sees and people do."""

from __future__ import annotations

import numpy as np

SHARE = 0.2
"""Of each image's pixels, the flattest: at a quarter, soft edges of faces are among them."""
REFERENCE_SIZE = 32
BLUR, REACH = 1.0, 2
"""Pixels at REFERENCE_SIZE, and in proportion elsewhere."""
MOST = 500
"""Images that are looked at, the first ones: a median of so many is steady."""


def grain(images: np.ndarray) -> float:
    """Median over images of the noise in their flattest fifth, in grey levels.

    The root mean square, over those pixels, of the second-difference filter
    ``[1 -2 1] x [1 -2 1] / 6`` (Immerkaer, CVIU 64, 1996), which answers to no gradient of colour;
    white noise keeps its standard deviation in it. Which pixels are flat is decided on a blurred
    copy, by rank: any image has some.

    Args:
        images: uint8 (N, H, W, 3); of more than MOST the first ones count.
    """
    images = images[:MOST]
    energy = _residual_energy(images)
    chosen = np.stack([_flattest(image) for image in images])
    return float(np.median(np.sqrt((energy * chosen).sum((1, 2)) / chosen.sum((1, 2)))))


def grain_ratio(samples: np.ndarray, real: np.ndarray) -> float | None:
    """Grain of `samples` over that of `real`, both uint8 (N, H, W, 3): 1 is as clean as they are.

    None where real images have none at all.
    """
    floor = grain(real)
    return grain(samples) / floor if floor else None


def _residual_energy(images: np.ndarray) -> np.ndarray:
    """Square of the filter's answer (N, H, W), the mean over colours."""
    from scipy.ndimage import convolve1d  # slow to import, and `plan` asks only for columns

    answer = images.astype(np.float32)
    for axis in (1, 2):
        answer = convolve1d(answer, np.array([1, -2, 1], np.float32), axis=axis, mode="nearest")
    return np.square(answer / 6).mean(3)


def _flattest(image: np.ndarray) -> np.ndarray:
    """Bool (H, W): pixels with the least steep surroundings; the frame of the image left out."""
    from scipy.ndimage import gaussian_gradient_magnitude, maximum_filter

    scale = len(image) / REFERENCE_SIZE
    grey = image.astype(np.float32).mean(2)
    slope = gaussian_gradient_magnitude(grey, BLUR * scale, mode="nearest")
    slope = maximum_filter(slope, 2 * round(REACH * scale) + 1, mode="nearest")
    frame = max(1, round(scale))
    inner = np.zeros(slope.shape, bool)
    inner[frame:-frame, frame:-frame] = True
    return inner & (slope <= np.quantile(slope[inner], SHARE))
