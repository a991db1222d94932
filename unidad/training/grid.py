"""Pictures of how a training is doing."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from unidad.data.image_set import to_uint8
from unidad.diffusion.samplers import IndexedNoise, sampler_of
from unidad.methods.base import Method
from unidad.networks.backbone import Backbone
from unidad.networks.codec import CHUNK

GRID_IMAGES = 16
ENLARGED_UP_TO = 128
"""Images up to this side are drawn three times as large."""


@torch.no_grad()
def save_grid(method: Method, network: Backbone, path: Path, device: torch.device) -> None:
    """Draw 16 images with a network of the method, and save them as one picture.

    The noise is that of the run's seed, the same at every call.

    Args:
        method: knows sampler, noise levels and conditions.
        network: the student or its average; comes to the device for the time it draws.
        path: of the PNG; its folder is made if missing.
        device: where to draw.
    """
    spec, codec = method.spec, method.student.codec
    sampler, levels = sampler_of(spec.variant.sampler, spec.variant.nfe, method.diffusion)
    noise = IndexedNoise(spec.seed, range(GRID_IMAGES), method.student.shape)
    home = next(network.parameters()).device
    denoiser = method.denoiser(network.to(device), GRID_IMAGES)
    x0 = sampler(denoiser, levels.to(device), lambda: noise().to(device))
    network.to(home)
    images = np.concatenate([to_uint8(codec.decode(part)) for part in x0.split(CHUNK)])
    side = math.isqrt(len(images))
    rows = images.reshape(side, side, *images.shape[1:]).transpose(0, 2, 1, 3, 4)
    grid = Image.fromarray(rows.reshape(side * images.shape[1], side * images.shape[2], 3))
    scale = 3 if images.shape[1] <= ENLARGED_UP_TO else 1
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.resize((grid.width * scale, grid.height * scale), Image.Resampling.NEAREST).save(path)
