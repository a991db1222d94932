"""Intra-LPIPS of a set of samples.

The reference follows the released protocol with the lpips package: a call of the network for each
sample and training image, then one for each pair of a cluster, two images through it each time.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import lpips
import numpy as np
import torch
from torch import Tensor

from benchmarks.runner import Comparison, Meter, Result, Side
from unidad.data.image_set import to_tensor
from unidad.features.lpips_network import LpipsNetwork
from unidad.metrics.perceptual import intra_lpips, within_clusters


@dataclass(frozen=True)
class Problem:
    """What is measured: samples that lie around the training images, equally many around each."""

    trunk: str = "vgg"
    resolution: int = 64
    samples: int = 24
    training: int = 4
    members: int = 6
    """Of a cluster that count."""
    batch_size: int = 16


PROBLEMS = (Problem(), Problem("alex", samples=60, training=10))
PAPER = Problem(resolution=256, samples=5000, training=10, members=100)


def comparisons(problems: Sequence[Problem] = PROBLEMS) -> list[Comparison]:
    """One a problem; random trunks of true size, on a GPU if there is one."""
    return [_comparison(problem) for problem in problems]


def counted(problem: Problem = PAPER) -> Result:
    """Network passes of a problem that is too large to run; at least `members` lie in a cluster."""
    samples, training, members = problem.samples, problem.training, problem.members
    pairs = samples * training + training * members * (members - 1) // 2
    return Result("Intra-LPIPS", described(problem), samples + training, 0, 2 * pairs)


def _comparison(problem: Problem) -> Comparison:
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):
        network = lpips.LPIPS(net=problem.trunk, pnet_rand=True, verbose=False)
    images = pictures(problem)
    sides = ours(problem, network, *images), reference(problem, network, *images)
    return Comparison("Intra-LPIPS", described(problem), *sides)


def described(problem: Problem) -> str:
    """The problem in words."""
    return (
        f"{problem.trunk}, {problem.resolution}x{problem.resolution}, {problem.samples} samples, "
        f"{problem.training} training images, {problem.members} members a cluster"
    )


def pictures(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Samples and training images, uint8 (N, H, W, 3)."""
    draw = np.random.default_rng(0)
    side = problem.resolution
    training = draw.integers(0, 256, (problem.training, side, side, 3))
    near = np.arange(problem.samples) % problem.training
    noise = draw.integers(-60, 60, (problem.samples, side, side, 3))
    samples = np.clip(training[near] + noise, 0, 255)
    return samples.astype(np.uint8), training.astype(np.uint8)


def ours(problem: Problem, network: lpips.LPIPS, samples: np.ndarray, training: np.ndarray) -> Side:
    """Rows of each image once; the side's result is Intra-LPIPS."""
    extractor, meter = LpipsNetwork(copy.deepcopy(network)), Meter()
    meter.watch(extractor.network.net, "forward")

    def run() -> float:
        starts = range(0, problem.samples, problem.batch_size)
        rows = (
            extractor.perceptual(samples[start : start + problem.batch_size]) for start in starts
        )
        known = extractor.perceptual(training)
        return intra_lpips(within_clusters(rows, known, problem.members, False))

    return Side(run, meter)


def reference(
    problem: Problem, network: lpips.LPIPS, samples: np.ndarray, training: np.ndarray
) -> Side:
    """Pair by pair; the result likewise."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network, meter = copy.deepcopy(network).to(device).eval(), Meter()
    meter.watch(network.net, "forward")
    shown, anchors = to_tensor(samples).to(device), to_tensor(training).to(device)

    @torch.no_grad()
    def distance(one: Tensor, other: Tensor) -> float:
        return network(one[None], other[None]).item()

    def run() -> float:
        clusters = [[] for _ in anchors]
        for sample in shown:
            nearest = np.argmin([distance(sample, anchor) for anchor in anchors])
            clusters[nearest].append(sample)
        return float(np.mean([mean_of_pairs(cluster[: problem.members]) for cluster in clusters]))

    def mean_of_pairs(cluster: list[Tensor]) -> float:
        pairs = [distance(a, b) for i, a in enumerate(cluster) for b in cluster[i + 1 :]]
        return float(np.mean(pairs)) if pairs else 0.0

    return Side(run, meter)
