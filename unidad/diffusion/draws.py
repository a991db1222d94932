"""Random draws for one batch that several processes share.

Every process draws the numbers of the whole batch from the same seed and keeps its own rows: an
image meets the same noise whoever computes it, so the number of processes changes no result but by
rounding. Numbers on a CPU cost next to nothing beside a network pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class PartGenerator(torch.Generator):
    """A generator on the CPU that knows which part of the batch it draws for.

    What is drawn through the functions below is the part's; what is drawn from it directly is the
    same for all parts.

    Args:
        seed: the same for all parts.
        part: from 0.
        parts: into how many equal ones the batch is cut.
    """

    part, parts = 0, 1

    def __new__(cls, seed: int, part: int = 0, parts: int = 1) -> PartGenerator:
        """Seed it: torch's own generators are made here, not in ``__init__``."""
        generator = super().__new__(cls)
        generator.part, generator.parts = part, parts
        return generator.manual_seed(seed)


def normal(shape: Sequence[int], generator: torch.Generator, stacked: int = 1) -> Tensor:
    """Standard normal numbers in the shape (N, ...) of a part; ``stacked`` as for `integers`."""
    return _own_rows(
        lambda count: torch.randn((count, *shape[1:]), generator=generator),
        shape[0],
        generator,
        stacked,
    )


def uniform(count: int, generator: torch.Generator) -> Tensor:
    """Uniform numbers in [0, 1), (count,)."""
    return _own_rows(lambda rows: torch.rand(rows, generator=generator), count, generator)


def integers(
    low: int, high: int, count: int, generator: torch.Generator, stacked: int = 1
) -> Tensor:
    """Uniform whole numbers in [low, high), int64 (count,).

    Args:
        low: the least.
        high: one more than the largest.
        count: rows of this part.
        generator: a `PartGenerator`; any other one draws for the whole batch.
        stacked: how many batches lie one after the other in these rows.
    """
    return _own_rows(
        lambda rows: torch.randint(low, high, (rows,), generator=generator),
        count,
        generator,
        stacked,
    )


def _own_rows(
    draw: Callable[[int], Tensor], count: int, generator: torch.Generator, stacked: int = 1
) -> Tensor:
    if not isinstance(generator, PartGenerator):
        return draw(count)
    drawn = draw(count * generator.parts)
    return drawn.unflatten(0, (stacked, generator.parts, -1))[:, generator.part].flatten(0, 1)
