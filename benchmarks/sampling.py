"""Drawing images with a few-step student.

The reference draws one image after the other.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.networks import PlainNetwork, adm
from benchmarks.runner import Comparison, Meter, Side
from unidad import sampling
from unidad.config.diffusion import Diffusion
from unidad.data.image_set import to_uint8
from unidad.diffusion.levels import student_levels
from unidad.networks.unet import UNet


@dataclass(frozen=True)
class Problem:
    """What is drawn."""

    resolution: int = 32
    channels: tuple[int, ...] = (64, 128, 128)
    images: int = 32
    batch_size: int = 16
    nfe: int = 3


def comparisons(problem: Problem = Problem()) -> list[Comparison]:
    """One, on a GPU if there is one."""
    torch.manual_seed(0)
    network = adm(problem.resolution, problem.channels)
    weights = sum(p.numel() for p in network.parameters())
    described = (
        f"ADM of {weights / 1e6:.1f} M weights, {problem.resolution}x{problem.resolution}, "
        f"{problem.images} images in batches of {problem.batch_size}, NFE {problem.nfe}"
    )
    return [Comparison("sampling", described, ours(problem, network), reference(problem, network))]


def ours(problem: Problem, network: UNet) -> Side:
    """`unidad.sampling.sample`; the side's result is uint8 (N, H, W, 3)."""
    network, meter = copy.deepcopy(network).eval(), Meter()
    meter.watch(network.model, "forward")
    levels = Diffusion(student_sigma_max=80.0, student_sigma_min=0.5)
    model = sampling.ImageModel(network, "few_step", problem.nfe, levels)
    if torch.cuda.is_available():
        network.to("cuda")

    def run() -> np.ndarray:
        images, _ = sampling.sample(
            model, problem.images, seed=0, batch_size=problem.batch_size, progress=False
        )
        return images.images

    return Side(run, meter)


def reference(problem: Problem, network: UNet) -> Side:
    """The few-step student's loop, image by image; the result likewise."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plain, meter = PlainNetwork(copy.deepcopy(network)).to(device).eval(), Meter()
    meter.watch(plain, "forward")
    levels, shape = student_levels(problem.nfe).to(device), (1, *network.shape)

    @torch.no_grad()
    def draw(index: int) -> np.ndarray:
        generator, x0 = torch.Generator().manual_seed(index), 0.0
        for sigma in levels:
            x = x0 + sigma * torch.randn(shape, generator=generator).to(device)
            x0 = plain(x, sigma[None])
        return to_uint8(x0)[0]

    return Side(lambda: np.stack([draw(index) for index in range(problem.images)]), meter)
