"""Whether a base draws such photos by itself now and then: decides how Uni-DAD mixes teachers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unidad.features.extractors import load_extractor
from unidad.metrics.rows import as_rows, squared_distances
from unidad.sampling import load_image_model, sample

SAMPLES = 512
ENOUGH = 0.01
"""Share of the base's own samples from which a domain counts as near."""
EVALUATIONS = 11
"""An image, of a many-step base: rough images do."""


@dataclass(frozen=True)
class Nearness:
    """What was found.

    Attributes:
        share: of the base's samples that lie nearer to a photo than photos lie to each other.
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
        return f"{word}: {drawn} lie among the photos ({ENOUGH:.0%} and more are near)"


def measure(photos: np.ndarray, model: Path, network: Path, samples: int = SAMPLES) -> Nearness:
    """Draw with a model and see how many of its images lie among the photos.

    A sample lies among them if it is nearer to a photo than the photos' median distance to the
    nearest other one, in the features of a network.

    Args:
        photos: uint8 (N, H, W, 3), N at least 2.
        model: folder of an unconditional model of images H x W.
        network: folder of a feature network.
        samples: number to draw.
    """
    drawing = load_image_model(model)
    nfe = min(drawing.nfe, EVALUATIONS)
    images, _ = sample(drawing, samples, seed=0, nfe=nfe, progress=False)
    extractor = load_extractor(network)
    drawn, own = (
        as_rows(extractor.features(pixels)["pooled"], "features", 2)
        for pixels in (images.images, photos)
    )
    return Nearness(share_among(drawn.numpy(), own.numpy()), samples)


def share_among(drawn: np.ndarray, own: np.ndarray) -> float:
    """Share of rows (M, D) nearer to one of (N, D) than those are to each other; N at least 2."""
    drawn_rows, own_rows = as_rows(drawn, "features", 1), as_rows(own, "features", 2)
    apart = squared_distances(own_rows, own_rows)
    apart.fill_diagonal_(float("inf"))
    reach = apart.min(1).values.median()
    return (squared_distances(drawn_rows, own_rows).min(1).values < reach).double().mean().item()
