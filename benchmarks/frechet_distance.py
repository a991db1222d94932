"""The Fréchet distance of two sets of features.

The reference is clean-fid's: numpy's moments and scipy's root of the covariances' product.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from cleanfid import fid

from benchmarks.runner import Comparison, Side
from unidad.metrics.frechet import frechet_distance


@dataclass(frozen=True)
class Problem:
    """What is measured."""

    samples: int = 5000
    width: int = 2048
    """Features of an image; Inception has 2048."""


def comparisons(problem: Problem = Problem()) -> list[Comparison]:
    """One; on the processor, as both sides are."""
    samples, others = features(problem, 0), features(problem, 1)
    described = f"{problem.samples} samples, as many others, {problem.width} features"
    sides = (
        Side(lambda: frechet_distance(samples, others)),
        Side(lambda: cleanfid_distance(samples, others)),
    )
    return [Comparison("Fréchet distance", described, *sides)]


def cleanfid_distance(samples: np.ndarray, others: np.ndarray) -> float:
    """The distance of features (N, D) and (M, D)."""
    with warnings.catch_warnings(action="ignore"):
        return fid.frechet_distance(
            samples.mean(0),
            np.cov(samples, rowvar=False),
            others.mean(0),
            np.cov(others, rowvar=False),
        )


def features(problem: Problem, seed: int) -> np.ndarray:
    """Correlated features, float32 (N, D); other seeds, other means and covariances."""
    draw = np.random.default_rng(seed)
    mixing = draw.normal(size=(problem.width, problem.width)) / problem.width**0.5
    noise = draw.normal(size=(problem.samples, problem.width))
    return (noise @ mixing + draw.normal(size=problem.width)).astype(np.float32)
