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
from unidad.networks.diffusion_network import DiffusionNetwork
from unidad.pipeline import UnidadPipeline


def load_pipeline(folder: str | Path) -> UnidadPipeline:
    """Load an exported model onto the GPU if there is one.

    Raises:
        UserError: the folder is missing or is no exported model.
    """
    if not (Path(folder) / "model_index.json").is_file():
        raise UserError(f"{folder}: no exported model here (no model_index.json); train it first")
    try:
        pipeline = UnidadPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"{folder}: cannot load the exported model: {first}") from None
    pipeline.set_progress_bar_config(disable=True)
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
    """
    nfe = nfe or pipeline.config.nfe
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
