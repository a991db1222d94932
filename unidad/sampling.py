"""Drawing an image set with an exported model, and what it costs: one loop for every model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from unidad.config.diffusion import Diffusion
from unidad.config.mistakes import validate
from unidad.config.model_files import Index
from unidad.data.image_set import ImageSet, to_uint8
from unidad.diffusion.samplers import IndexedNoise, sampler_of
from unidad.errors import UserError
from unidad.networks.backbone import Backbone
from unidad.networks.folder import INDEX, read_index
from unidad.networks.registry import load_backbone
from unidad.timing import now


@dataclass(frozen=True)
class ImageModel:
    """A network that draws from noise alone, and how.

    Attributes:
        network: with its codec.
        sampler: ``few_step``, ``ddim`` or ``heun``.
        nfe: network evaluations an image, unless a call says otherwise.
        diffusion: the noise process.
    """

    network: Backbone
    sampler: str = "ddim"
    nfe: int = 25
    diffusion: Diffusion = field(default_factory=Diffusion)

    @torch.no_grad()
    def draw(self, seed: int, indices: Sequence[int], nfe: int | None = None) -> np.ndarray:
        """Images uint8 (N, H, W, 3); each depends on (seed, its index) alone.

        Raises:
            UserError: an nfe that the sampler cannot spend.
        """
        nfe = self.nfe if nfe is None else nfe
        noise = IndexedNoise(seed, indices, self.network.shape)
        diffusion = self.network.noise_process(self.diffusion)
        sampler, levels = sampler_of(self.sampler, nfe, diffusion)
        device = next(self.network.parameters()).device
        x0 = sampler(self.network, levels.to(device), lambda: noise().to(device))
        return to_uint8(self.network.codec.decode(x0))

    def save(self, folder: str | Path) -> None:
        """Export it; see `Backbone.save`."""
        self.network.save(folder, self.sampler, self.nfe, self.diffusion)


def load_image_model(folder: str | Path) -> ImageModel:
    """Load an exported model, in float32, onto the GPU if there is one.

    Stricter than ``from_pretrained`` of diffusers, for which missing weights are but a warning.

    Raises:
        UserError: the folder is missing or is no exported model, or its weights are unfit.
    """
    index = read_index(Path(folder), "no exported model is here; train or export one")
    network = load_backbone(folder).to("cuda" if torch.cuda.is_available() else "cpu")
    drawn = validate(Index, index, str(Path(folder) / INDEX))
    return ImageModel(network, drawn.sampler, drawn.nfe, drawn.diffusion)


class Drawing(Protocol):
    """Which images to draw, with which model.

    Attributes:
        count: of the images; each depends on its number alone.
        captions: theirs, or none.
        batch_size: images at once.
        nfe: network evaluations an image.
    """

    count: int
    captions: tuple[str, ...]
    batch_size: int
    nfe: int

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        """Images uint8 (N, H, W, 3) of these numbers."""

    def flops(self) -> int:
        """Floating-point operations of one image."""


class Kept:
    """Drawn images by their number, and how long they took; in memory."""

    def __init__(self) -> None:
        self._images: dict[int, np.ndarray] = {}
        self._seconds = 0.0

    @property
    def images_per_second(self) -> float | None:
        """None where no image was timed."""
        return len(self._images) / self._seconds if self._seconds else None

    def has(self, index: int) -> bool:
        """Whether an image is there."""
        return index in self._images

    def add(self, indices: Sequence[int], images: np.ndarray, seconds: float) -> None:
        """Take in images uint8 (N, H, W, 3)."""
        self._images.update(zip(indices, images, strict=True))
        self._seconds += seconds

    def read(self, count: int) -> np.ndarray:
        """The first images, uint8 (N, H, W, 3)."""
        return np.stack([self._images[index] for index in range(count)])


def draw(drawing: Drawing, kept: Kept, progress: bool = True) -> tuple[ImageSet, dict]:
    """Draw what is not yet kept.

    Returns:
        The images with their captions, and nfe, gflops_per_image (a multiply-add counts 2),
        images_per_second (seconds of `now`).
    """
    missing = [index for index in range(drawing.count) if not kept.has(index)]
    with tqdm(total=len(missing), desc="sampling", unit="image", disable=not progress) as bar:
        for start in range(0, len(missing), drawing.batch_size):
            indices = missing[start : start + drawing.batch_size]
            began = now()
            images = drawing(indices)
            kept.add(indices, images, now() - began)
            bar.update(len(indices))
    cost = {
        "nfe": drawing.nfe,
        "gflops_per_image": drawing.flops() / 1e9,
        "images_per_second": kept.images_per_second,
    }
    return ImageSet(kept.read(drawing.count), captions=drawing.captions), cost


def draw_some(drawing: Drawing, numbers: Sequence[int]) -> tuple[ImageSet, dict]:
    """Draw images of these numbers alone: those of the whole set, up to rounding.

    Returns:
        The images with their captions, and nfe.

    Raises:
        UserError: a number that the set does not have.
    """
    for number in numbers:
        if not 0 <= number < drawing.count:
            raise UserError(f"image {number}: the set has images 0 to {drawing.count - 1}")
    captions = tuple(drawing.captions[number] for number in numbers if drawing.captions)
    return ImageSet(drawing(numbers), captions=captions), {"nfe": drawing.nfe}


@dataclass(frozen=True)
class FromNoise:
    """Images 0 to count - 1 of a model; see `Drawing`."""

    model: ImageModel
    count: int
    seed: int
    nfe: int
    batch_size: int
    captions: tuple[str, ...] = ()

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        """As in `Drawing`."""
        return self.model.draw(self.seed, indices, self.nfe)

    def flops(self) -> int:
        """As in `Drawing`."""
        return self.nfe * forward_flops(self.model.network)


def sample(
    model: ImageModel,
    count: int,
    seed: int,
    nfe: int | None = None,
    batch_size: int = 64,
    progress: bool = True,
) -> tuple[ImageSet, dict]:
    """Draw images 0 to count - 1; see `draw`.

    Args:
        model: see `load_image_model`.
        count: number of images.
        seed: of their noise; an image depends on (seed, index) alone.
        nfe: network evaluations an image; the trained number by default.
        batch_size: images at once.
        progress: show a progress bar.

    Raises:
        UserError: an nfe that the sampler cannot spend.
    """
    nfe = model.nfe if nfe is None else nfe
    return draw(FromNoise(model, count, seed, nfe, batch_size), Kept(), progress)


@torch.no_grad()
def forward_flops(network: Backbone) -> int:
    """Floating-point operations of one network evaluation of one image."""
    device = next(network.parameters()).device
    counter = FlopCounterMode(display=False)
    with counter:
        network(torch.zeros(1, *network.shape, device=device), torch.ones(1, device=device))
    return counter.get_total_flops()
