"""Drawing an image set with an exported model, and what it costs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.files import read_json
from unidad.networks.diffusion_network import DiffusionNetwork
from unidad.networks.folder import load_network
from unidad.pipeline import UnidadPipeline

SETTINGS = ("sampler", "nfe", "diffusion")


def load_pipeline(folder: str | Path) -> UnidadPipeline:
    """Load an exported model, in float32, onto the GPU if there is one.

    Stricter than ``UnidadPipeline.from_pretrained``, for which missing weights are but a warning.

    Raises:
        UserError: the folder is missing or is no exported model, or its weights are unfit.
    """
    index_file = Path(folder) / UnidadPipeline.config_name
    index = read_json(index_file, "no exported model is here; train or export one")
    network = load_network(folder)
    settings = {key: index[key] for key in SETTINGS if key in index}
    try:
        pipeline = UnidadPipeline(network.unet.eval(), network.scheduler, **settings)
    except (TypeError, ValueError) as error:
        raise UserError(f"{index_file}: diffusion: {' '.join(str(error).split())}") from None
    return pipeline.to("cuda" if torch.cuda.is_available() else "cpu")


def sample(
    pipeline: UnidadPipeline,
    count: int,
    seed: int,
    nfe: int | None = None,
    batch_size: int = 64,
    progress: bool = True,
) -> tuple[ImageSet, dict[str, float]]:
    """Draw images 0 to count - 1.

    Args:
        pipeline: see `load_pipeline`.
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
    nfe = pipeline.config.nfe if nfe is None else nfe
    batches = [
        range(start, min(start + batch_size, count)) for start in range(0, count, batch_size)
    ]
    began = time.perf_counter()
    images = [
        pipeline(indices=batch, seed=seed, nfe=nfe, output_type="np").images
        for batch in tqdm(batches, desc="sampling", unit="batch", disable=not progress)
    ]
    seconds = time.perf_counter() - began
    cost = {
        "nfe": nfe,
        "gflops_per_image": nfe * forward_flops(pipeline) / 1e9,
        "images_per_second": count / seconds,
    }
    return ImageSet(np.concatenate(images)), cost


@torch.no_grad()
def forward_flops(pipeline: UnidadPipeline) -> int:
    """Floating-point operations of one network evaluation of one image."""
    network = DiffusionNetwork(pipeline.unet, pipeline.scheduler).to(pipeline.device)
    x = torch.zeros(1, *network.shape, device=pipeline.device)
    counter = FlopCounterMode(display=False)
    with counter:
        network(x, torch.ones(1, device=pipeline.device))
    return counter.get_total_flops()
