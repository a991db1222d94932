"""Which of two rows is better, by the papers and by us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from unidad.metrics.registry import Column

if TYPE_CHECKING:
    from unidad.report.views import Place


@dataclass(frozen=True)
class Ordering:
    """Two rows of a block, of which a paper publishes that the first is the better one.

    Attributes:
        block: its title.
        metric: ours.
        first, second: names of the rows.
        published_first, published_second: the paper's numbers.
        ours_first, ours_second: our means, in the column's unit.
        same: whether ours are in the same order.
    """

    block: str
    metric: str
    first: str
    second: str
    published_first: float
    published_second: float
    ours_first: float
    ours_second: float
    same: bool

    def as_row(self) -> dict:
        """For a data frame."""
        return asdict(self)


def orderings(block: str, column: Column, places: Sequence[Place]) -> Iterator[Ordering]:
    """Every pair of rows that have our number and one of the same paper's; ties of theirs are none.

    Args:
        block: its title.
        column: of these places.
        places: one a row.
    """
    known = [place for place in places if place.theirs and place.mean is not None]
    sign = {"lower": 1, "higher": -1}.get(column.better)
    for pair in combinations(known, 2):
        if sign is None or pair[0].theirs.paper != pair[1].theirs.paper:
            continue
        first, second = sorted(pair, key=lambda place: sign * place.theirs.value)
        if first.theirs.value == second.theirs.value:
            continue
        yield Ordering(
            block,
            column.name,
            first.row,
            second.row,
            first.theirs.value,
            second.theirs.value,
            first.mean,
            second.mean,
            sign * first.mean < sign * second.mean,
        )


def told(found: Sequence[Ordering]) -> str:
    """How many came out the same way, and which did not."""
    same = sum(ordering.same for ordering in found)
    pairs: dict[str, list[str]] = {}
    for ordering in found:
        if not ordering.same:
            place = f"{ordering.block}, {ordering.metric}"
            pairs.setdefault(place, []).append(f"{ordering.first} before {ordering.second}")
    other = "; ".join(f"{place}: {', '.join(names)}" for place, names in pairs.items())
    text = f"{same} of {len(found)} orderings that the paper publishes came out the same way."
    return f"{text} The others are: {other}." if other else text
