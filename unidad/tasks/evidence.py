"""What the images of a row show: what every task's metrics have to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from torch import Tensor
from tqdm import tqdm

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.contract import Extractor
from unidad.features.features import Features
from unidad.metrics.rows import Nearest

BATCH = 200
BATCH_PIXELS = 2**19
"""Perceptual maps of so many pixels at once: 0.3 GB for VGG, whatever the resolution."""


class Evidence:
    """Attributes that metrics name as their needs; None where there is nothing to go on.

    Args:
        spec: of the row, see `Plan.row_spec`; its files are read when first needed.
        extractor: whose maps LPIPS is measured in.
        samples: the images to measure.
        features: theirs.
        snapshots: metrics of the run's snapshots, where it kept some.
        progress: show a progress bar for the perceptual maps, which are computed once an image.

    Raises:
        UserError: features of another number of images, or no image.
    """

    snapshots: Sequence[dict] = ()

    def __init__(
        self,
        spec: dict,
        extractor: Extractor,
        samples: ImageSet,
        features: Features,
        snapshots: Sequence[dict] = (),
        progress: bool = True,
    ) -> None:
        if len(features) != len(samples):
            raise UserError(
                f"samples: {len(samples)} images, but features of {len(features)}; "
                "compute them again"
            )
        self.spec, self.extractor = spec, extractor
        self.samples, self.features = samples, features
        self.snapshots, self.progress = snapshots, progress

    @classmethod
    def prompts(cls, spec: dict, images: ImageSet) -> list[str]:
        """The prompts whose embeddings images are measured with."""
        return []

    @property
    def measured_with(self) -> str:
        """What tables call the networks."""
        return self.extractor.name

    @property
    def pixels(self) -> np.ndarray:
        """The images themselves, uint8 (N, H, W, 3)."""
        return self.samples.images

    @cached_property
    def held_out(self) -> ImageSet | None:
        """Held-out images of the target, or pictures of the subject."""
        path = self.spec["reference_images"]
        return ImageSet.load(path) if path else None

    @property
    def reference_pixels(self) -> np.ndarray | None:
        """Held-out images themselves, uint8 (M, H, W, 3)."""
        return None if self.held_out is None else self.held_out.images

    @cached_property
    def training(self) -> ImageSet:
        """The training images."""
        return ImageSet.load(self.spec["training_images"])

    @cached_property
    def training_features(self) -> Features:
        """Theirs."""
        return Features.load(self.spec["training_features"])

    @property
    def nearest(self) -> Nearest:
        """The training images that samples are nearest to."""
        raise NotImplementedError

    @property
    def distances(self) -> Tensor:
        """Of each sample to the nearest training image, (N,)."""
        return self.nearest.distances[:, 0]

    @property
    def near_distances(self) -> Tensor:
        """Of each sample to the nearest and to the second-nearest, (N, 2)."""
        return self.nearest.distances

    @property
    def measured_images(self) -> np.ndarray:
        """Number of the sample that each row of `nearest` is about."""
        return np.arange(len(self.samples))

    def nearest_copies(self, count: int) -> dict[str, list]:
        """The samples likeliest to be copies of a training image, the likeliest first.

        That is by `Nearest.ratios`; of a single training image, by the distance to it.

        Returns:
            ``samples``: their numbers; ``training``: of the image that each is nearest to;
            ``ratios``: theirs, empty of a single training image.
        """
        ratios = self.nearest.ratios
        order = (self.distances if ratios is None else ratios).argsort(stable=True)[:count]
        return {
            "samples": self.measured_images[order.numpy()].tolist(),
            "training": self.nearest.training[order].tolist(),
            "ratios": [] if ratios is None else ratios[order].tolist(),
        }

    def training_distances(self, numbers: Sequence[int]) -> Tensor:
        """Of samples of these numbers to every training image, (n, k), as `nearest` has them."""
        raise NotImplementedError

    def neighbours(self, numbers: Sequence[int], count: int) -> dict[str, list]:
        """The training images that some samples are nearest to.

        Returns:
            ``samples``: the numbers; ``training``: for each sample at most `count`, the nearest
            first.
        """
        order = self.training_distances(numbers).argsort(dim=1, stable=True)[:, :count]
        return {"samples": list(numbers), "training": order.tolist()}

    def perceptual_batches(
        self, images: ImageSet, progress: bool = False, unit_range: bool = False
    ) -> Iterator[Tensor]:
        """Rows of an image set, batch by batch; see `Extractor.perceptual`."""
        height, width = images.images.shape[1:3]
        size = min(BATCH, max(1, BATCH_PIXELS // (height * width)))
        starts = range(0, len(images), size)
        for start in tqdm(starts, desc="perceptual maps", unit="batch", disable=not progress):
            yield self.extractor.perceptual(images.images[start : start + size], unit_range)
