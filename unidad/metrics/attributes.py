"""Diversity in terms that have names: spread and coverage of predicted attributes."""

from __future__ import annotations

import torch
from torch import Tensor

from unidad.errors import UserError
from unidad.metrics.prdc import NEIGHBOURS
from unidad.metrics.rows import Rows, as_rows, nearest_distances, neighbour_radii, same_width

LEAST_DEVIATION = 0.05
"""An attribute counts if it varies at least so much, of its range of 1, in held-out images."""


def attribute_spread(samples: Rows, held_out: Rows) -> float:
    """Share of the held-out images' variety, attribute by attribute, that samples have.

    The mean over attributes of ``min(1, std(samples) / std(held_out))``, over those that vary in
    the held-out images (by LEAST_DEVIATION; stripes of fur do not, among babies). A ratio above 1
    counts as 1: too much of one attribute does not make good for too little of another.

    Args:
        samples: predicted attributes (N, A), in [0, 1]; N at least 2.
        held_out: the same of held-out images, (M, A); M at least 2.

    Returns:
        In [0, 1]; about 1 for equal distributions, 0 for copies of one image.

    Raises:
        UserError: too few rows, values that are not finite, or no attribute that varies.
    """
    first, _, deviations = _varying(samples, held_out, 2)
    return (first.std(0) / deviations).clamp(max=1).mean().item()


def attribute_coverage(samples: Rows, held_out: Rows, k: int = NEIGHBOURS) -> float:
    """Share of held-out images that have a sample near them in attribute space.

    Coverage (Naeem et al. 2020) with predicted attributes as the features: near is nearer than
    the k-th nearest other held-out image. Each attribute that varies (`attribute_spread`) is
    divided by its standard deviation in the held-out images, so that all weigh the same.

    Args:
        samples: predicted attributes (N, A), in [0, 1].
        held_out: the same of held-out images, (M, A); M at least k + 1.
        k: neighbours.

    Returns:
        In [0, 1]; ``1 - (M / (M + N))^k`` is expected for equal distributions.

    Raises:
        UserError: too few rows, values that are not finite, or no attribute that varies.
    """
    first, second, deviations = _varying(samples, held_out, 1, k + 1)
    first, second = first / deviations, second / deviations
    return (nearest_distances(second, first) < neighbour_radii(second, k)).double().mean().item()


def _varying(
    samples: Rows, held_out: Rows, least_samples: int, least_held_out: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """Both sets' varying attributes, and the held-out standard deviation of each."""
    first = as_rows(samples, "samples", least_samples)
    second = as_rows(held_out, "held-out images", least_held_out)
    same_width(first, second)
    deviations = second.std(0)
    varying = deviations >= LEAST_DEVIATION
    if not varying.any():
        raise UserError("held-out images: no predicted attribute varies; are they all one image?")
    return first[:, varying], second[:, varying], torch.masked_select(deviations, varying)


def domain_share(probabilities: Rows, place: int) -> float:
    """Share of images (N, domains) that the network takes for the domain at this place."""
    return float((probabilities.argmax(1) == place).mean())
