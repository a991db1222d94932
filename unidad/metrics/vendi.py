"""Diversity of one set of features, without a reference."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from unidad.metrics.rows import Rows, as_rows


def vendi_score(samples: Rows) -> float:
    """Vendi score (Friedman and Dieng 2023): how many different images a set is worth.

    The exponential of the entropy of the eigenvalues of ``K / N``, K the cosines of all pairs.

    Args:
        samples: (N, D), N at least 1; a row of zeros is like no other row.

    Returns:
        From 1, where all rows point the same way, to N, where all are orthogonal (at most D);
        it grows with N: compare at equal N only.

    Raises:
        UserError: no row, or values that are not finite.
    """
    rows = F.normalize(as_rows(samples, "samples"), dim=1)
    smaller = rows.T @ rows if len(rows) > rows.shape[1] else rows @ rows.T
    shares = torch.linalg.eigvalsh(smaller / len(rows)).clamp(min=0)
    return torch.special.entr(shares).sum().exp().item()
