"""Whether a base draws such photos by itself now and then: decides how Uni-DAD mixes teachers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unidad.features.extractors import load_extractor
from unidad.sampling import load_image_model, sample

SAMPLES = 512
ENOUGH = 0.007
"""Share of the base's own images from which a domain counts as near. Ten of the embedded
benchmark's babies or sunglasses have 0.010 to 0.022, portraits or cats 0 to 0.004, photos 0."""
EVALUATIONS = 11
"""An image, of a many-step base: rough images do."""
COMPONENTS = 64
"""Principal components of the base's images that images are told apart by."""
RIDGE = 0.1
"""Of their mean variance, added to each."""


@dataclass(frozen=True)
class Nearness:
    """What was found.

    Attributes:
        share: of the base's images that cannot be told from the photos, see `share_alike`.
        samples: how many there were.
    """

    share: float
    samples: int

    @property
    def near(self) -> bool:
        """Whether the base draws such images now and then."""
        return self.share >= ENOUGH

    def __str__(self) -> str:
        word = "near" if self.near else "far"
        drawn = f"{self.share:.1%} of {self.samples} images that the base draws"
        return f"{word}: {drawn} cannot be told from the photos (near from {ENOUGH:.1%})"


def measure(photos: np.ndarray, model: Path, network: Path, samples: int = SAMPLES) -> Nearness:
    """Draw with a model and see how many of its images cannot be told from the photos.

    Args:
        photos: uint8 (N, H, W, 3), N at least 2.
        model: folder of an unconditional model of images H x W.
        network: folder of a feature network; what counts are the maps that LPIPS compares.
        samples: number to draw.
    """
    drawing = load_image_model(model)
    nfe = min(drawing.nfe, EVALUATIONS)
    images, _ = sample(drawing, samples, seed=0, nfe=nfe, progress=False)
    extractor = load_extractor(network)
    drawn, own = (
        extractor.perceptual(pixels).double().numpy() for pixels in (images.images, photos)
    )
    return Nearness(share_alike(drawn, own), samples)


def share_alike(drawn: np.ndarray, own: np.ndarray) -> float:
    """Share of a base's images that a photo which was not looked at does not stand out from.

    Fisher's linear discriminant is learnt between the base's images and all photos but one; the
    share of the base's images that it finds at least as much like photos as that one is the
    photo's. The result is the median over the photos.

    Args:
        drawn: rows (M, D) of the base's images, M at least 2.
        own: rows (N, D) of the photos, N at least 2.
    """
    centre = drawn.mean(0)
    _, deviations, axes = np.linalg.svd(drawn - centre, full_matrices=False)
    axes, variances = axes[:COMPONENTS].T, deviations[:COMPONENTS] ** 2 / (len(drawn) - 1)
    weights = 1 / (variances + RIDGE * variances.mean())
    theirs, ours = (drawn - centre) @ axes, (own - centre) @ axes
    shares = []
    for place, photo in enumerate(ours):
        direction = weights * np.delete(ours, place, axis=0).mean(0)
        shares.append((theirs @ direction >= photo @ direction).mean())
    return float(np.median(shares))
