"""Tables of an experiment: what they may show, and which runs they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from unidad.config.names import CONTROLS, SOURCE
from unidad.config.tables import TableRow, TableView
from unidad.errors import meant
from unidad.metrics.costs import COSTS
from unidad.metrics.registry import METRICS

if TYPE_CHECKING:
    from unidad.experiment.config import Config

TAKEN = ("all", "comparison", "orderings")
"""Names of files that every experiment has beside its tables."""


class Shown(NamedTuple):
    """A run that a table shows."""

    target: str
    shots: int
    label: str
    seed: int


def shown_runs(config: Config) -> set[Shown] | None:
    """Every run that a table shows; None where the experiment has no tables: all of them."""
    if not config.tables:
        return None
    return {run for view in config.tables.values() for run in _of(config, view)}


def _of(config: Config, view: TableView) -> Iterator[Shown]:
    labels = {row.variant for row in view.shown.values()} & {*config.variants}
    for target in view.targets or config.targets:
        for shots in view.shots or config.shots:
            for seed in view.seeds or config.seeds:
                yield from (Shown(target, shots, label, seed) for label in labels)


def check_tables(config: Config) -> None:
    """What tables name exists.

    Raises:
        ValueError: names the key.
    """
    for name, view in config.tables.items():
        place = f"tables.{name}"
        if name in TAKEN:
            raise ValueError(f"{place}: '{name}' is the name of another file; choose another")
        for key in ("targets", "shots", "seeds"):
            _check_all(f"{place}.{key}", getattr(view, key), getattr(config, key))
        _check_all(f"{place}.metrics", view.metrics, _columns())
        if view.memory_baseline is not None:
            _check_all(f"{place}.memory_baseline", [view.memory_baseline], view.shown)
        for label, row in view.shown.items():
            _check_row(f"{place}.rows.{label}", row, config)


def _columns() -> list[str]:
    return [*(name for name, metric in METRICS.items() if metric.column.heading), *COSTS]


def _check_all(place: str, given: Iterable, known: Iterable) -> None:
    known = list(known)
    for value in given:
        if value not in known:
            words = list(map(str, known))
            raise ValueError(f"{place}: {value} is none of {', '.join(words)}{meant(value, words)}")


def _check_row(place: str, row: TableRow, config: Config) -> None:
    if row.variant is None or row.variant in CONTROLS:
        return
    _check_all(place, [row.variant], [*config.variants, *CONTROLS])
    variant = config.variants[row.variant]
    if variant.domain == SOURCE:
        raise ValueError(f"{place}: {row.variant} is trained on the source; tables show targets")
    measured = (variant.nfe, *variant.extra_nfe)
    if row.nfe is not None and row.nfe not in measured:
        raise ValueError(
            f"{place}.nfe: {row.variant} is measured at {', '.join(map(str, measured))}; "
            f"put {row.nfe} into its extra_nfe"
        )
