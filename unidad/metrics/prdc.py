"""Precision, recall, density and coverage: two sets of features as unions of balls."""

from __future__ import annotations

from unidad.metrics.rows import Rows, as_rows, neighbour_radii, same_width, squared_distances

NEIGHBOURS = 5


def prdc(samples: Rows, reference: Rows, k: int = NEIGHBOURS) -> dict[str, float]:
    """Fidelity and diversity of samples, by k nearest neighbours.

    Around each image lies a ball that reaches its k-th nearest image of the same set.
    Precision (Kynkäänniemi et al. 2019): share of samples within a reference ball; recall: share
    of reference images within a sample's ball. Density (Naeem et al. 2020): reference balls that
    a sample lies in, on average, over k; coverage: share of reference balls that hold a sample.

    Args:
        samples: (N, D), N at least k + 1.
        reference: (M, D), M at least k + 1.
        k: neighbours.

    Returns:
        precision, recall and coverage in [0, 1]; density at least 0, about 1 for equal
        distributions. Recall and coverage depend on N and M: compare at equal sizes only.

    Raises:
        UserError: too few rows, differing D, or values that are not finite.
    """
    fake = as_rows(samples, "samples", k + 1)
    real = as_rows(reference, "the reference", k + 1)
    same_width(fake, real)
    distances = squared_distances(real, fake).sqrt_()
    real_radii = neighbour_radii(real, k)[:, None]
    in_real = distances < real_radii
    in_fake = distances < neighbour_radii(fake, k)
    return {
        "precision": in_real.any(0).double().mean().item(),
        "recall": in_fake.any(1).double().mean().item(),
        "density": in_real.sum(0).double().mean().item() / k,
        "coverage": in_real.any(1).double().mean().item(),
    }
