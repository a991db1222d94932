"""Drawing an image set with an exported model, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from unidad.config.diffusion import Diffusion
from unidad.data.image_set import ImageSet, to_uint8
from unidad.diffusion.samplers import IndexedNoise, sampler_of
from unidad.errors import UserError
from unidad.files import read_json
from unidad.networks.backbone import Backbone
from unidad.networks.folder import INDEX
from unidad.networks.registry import load_backbone


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
        sampler, levels = sampler_of(self.sampler, nfe, self.diffusion)
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
    index_file = Path(folder) / INDEX
    index = read_json(index_file, "no exported model is here; train or export one")
    network = load_backbone(folder).to("cuda" if torch.cuda.is_available() else "cpu")
    settings = {key: index[key] for key in ("sampler", "nfe") if key in index}
    try:
        diffusion = Diffusion(**index.get("diffusion", {}))
    except (TypeError, ValueError) as error:
        raise UserError(f"{index_file}: diffusion: {' '.join(str(error).split())}") from None
    return ImageModel(network, diffusion=diffusion, **settings)


def sample(
    model: ImageModel,
    count: int,
    seed: int,
    nfe: int | None = None,
    batch_size: int = 64,
    progress: bool = True,
) -> tuple[ImageSet, dict[str, float]]:
    """Draw images 0 to count - 1.

    Args:
        model: see `load_image_model`.
        count: number of images.
        seed: of their noise; an image depends on (seed, index) alone.
        nfe: network evaluations an image; the trained number by default.
        batch_size: images at once.
        progress: show a progress bar.

    Returns:
        The images, and nfe, gflops_per_image (a multiply-add counts 2), images_per_second.

    Raises:
        UserError: an nfe that the sampler cannot spend.
    """
    nfe = model.nfe if nfe is None else nfe
    batches = [
        range(start, min(start + batch_size, count)) for start in range(0, count, batch_size)
    ]
    began = time.perf_counter()
    images = [
        model.draw(seed, batch, nfe)
        for batch in tqdm(batches, desc="sampling", unit="batch", disable=not progress)
    ]
    seconds = time.perf_counter() - began
    cost = {
        "nfe": nfe,
        "gflops_per_image": nfe * forward_flops(model.network) / 1e9,
        "images_per_second": count / seconds,
    }
    return ImageSet(np.concatenate(images)), cost


@torch.no_grad()
def forward_flops(network: Backbone) -> int:
    """Floating-point operations of one network evaluation of one image."""
    device = next(network.parameters()).device
    counter = FlopCounterMode(display=False)
    with counter:
        network(torch.zeros(1, *network.shape, device=device), torch.ones(1, device=device))
    return counter.get_total_flops()
