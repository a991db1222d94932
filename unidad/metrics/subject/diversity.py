"""How much the images of one prompt vary, and how much one prompt's differ from another's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from statistics import fmean

from torch import Tensor

from unidad.metrics.perceptual import RowSums


def prompt_diversity(
    rows: Iterable[Tensor], prompts: Sequence[int]
) -> tuple[float | None, float | None]:
    """Intra-LPIPS and Inter-LPIPS: mean LPIPS over pairs of one prompt, and across prompts.

    Intra-LPIPS is the mean over prompts of the mean over a prompt's pairs. No pair is formed: what
    lies across prompts is what lies between all images less what lies within prompts. Memory
    holds four rows, whatever the number of images.

    Args:
        rows: of `perceptual_rows`, each (P,).
        prompts: number of each row's prompt; equal numbers stand together.

    Returns:
        Intra-LPIPS, None where no prompt has two images; Inter-LPIPS, None for a single prompt.
    """
    everything: RowSums | None = None
    within = []
    for _, group in groupby(zip(rows, prompts, strict=True), key=itemgetter(1)):
        own: RowSums | None = None
        for row, _ in group:
            everything, own = everything or RowSums(row), own or RowSums(row)
            everything.add(row)
            own.add(row)
        within.append((own.pairs, own.pair_sum()))
    means = [total / pairs for pairs, total in within if pairs]
    pairs_within, sum_within = (sum(column) for column in zip(*within, strict=True))
    across = everything.pairs - pairs_within
    inter = max(everything.pair_sum() - sum_within, 0.0) / across if across else None
    return (fmean(means) if means else None), inter
