"""The tables that a configuration asks for: ours beside the papers', and what came out alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from unidad.config.tables import TableRow, TableView
from unidad.metrics.costs import COSTS, readable
from unidad.metrics.registry import METRICS, Column
from unidad.report.cells import MISSING, best_text, mean_text, of_one_size, ranked
from unidad.report.comparison import aggregate, is_control, mean_of_targets
from unidad.report.orderings import Ordering, orderings
from unidad.report.published import PublishedValue, find_published
from unidad.style import block_title
from unidad.tasks import TASKS
from unidad.tasks.task import Task

if TYPE_CHECKING:
    from unidad.experiment.config import Config

BESIDE = {"intra_lpips": ("domain_share", "recall", "attribute_coverage")}
"""A column → those without which it misleads: away from the target, everything is diverse."""
MEAN = "mean of targets"
PAPER_PROTOCOLS = ("unidad", "echodistill")


@dataclass
class Place:
    """One cell: what was measured, and what the papers have.

    Attributes:
        row: its name.
        column: of the metric.
        part: what `aggregate` found for the row, by metric; None where nothing was measured.
        theirs: the paper's number; None where there is none.
    """

    row: str
    column: Column
    part: pd.DataFrame | None
    theirs: PublishedValue | None

    @property
    def mean(self) -> float | None:
        """Ours, in the column's unit."""
        if self.part is None or self.column.name not in self.part.index:
            return None
        value = self.part.loc[self.column.name, "mean"]
        return None if pd.isna(value) else float(value) * self.column.scale

    @property
    def better(self) -> str:
        """``ours`` or ``theirs``; empty where they cannot be compared, or are printed alike."""
        if self.mean is None or self.theirs is None or self.column.better is None:
            return ""
        digits = len(f"{self.theirs.value:g}".partition(".")[2])
        ours = round(self.mean, digits)
        if ours == self.theirs.value:
            return "="
        return "ours" if (ours < self.theirs.value) == (self.column.better == "lower") else "theirs"


@dataclass
class Part:
    """One block of a table: (target, shots), target None for the mean."""

    target: str | None
    shots: int
    rows: dict[str, list[Place]]
    control: dict[str, bool]
    nfe: dict[str, int | None]
    bold: set[tuple[str, str]] = field(default_factory=set)

    @property
    def known(self) -> list[str]:
        """Names of rows but those that only the papers have, and not for this block."""
        return [
            name
            for name, places in self.rows.items()
            if any(place.theirs or place.part is not None for place in places)
        ]


class View:
    """A table of the configuration, filled.

    Args:
        view: what to show.
        metrics: contents of metrics files of the experiment.
        targets: those of the experiment, in order.
        shots: likewise.
        task: whose remarks.
    """

    def __init__(
        self,
        view: TableView,
        metrics: Sequence[dict],
        targets: Sequence[str],
        shots: Sequence[int],
        task: type[Task],
    ):
        self.view, self.task = view, task
        self.targets: list[str | None] = list(view.targets or targets)
        self.shots = list(view.shots or shots)
        self.extractor = metrics[0]["extractor"]
        chosen = list(self._chosen(metrics))
        _add_memory(chosen, view.memory_baseline)
        if view.mean:
            self.targets = [None]
            chosen = mean_of_targets(chosen, self.mean_label)
        self.frame = aggregate(chosen, list(view.shown)) if chosen else pd.DataFrame()
        self.columns = self._columns()
        self.parts = [self._part(t, s) for t in self.targets for s in self.shots]

    @property
    def mean_label(self) -> str:
        """What the mean over targets is called."""
        return mean_label(self.task)

    @property
    def comparable(self) -> bool:
        """Whether ours are measured on published networks, as theirs are."""
        return self.extractor.startswith("inception-") or self.extractor in PAPER_PROTOCOLS

    @property
    def places(self) -> list[Place]:
        """Every cell."""
        return [place for part in self.parts for places in part.rows.values() for place in places]

    @property
    def orderings(self) -> list[Ordering]:
        """Of each block and column, every order of two rows that a paper publishes."""
        return [
            ordering
            for part in self.parts
            for i, column in enumerate(self.columns)
            for ordering in orderings(
                self.title(part), column, [places[i] for places in part.rows.values()]
            )
        ]

    def _chosen(self, metrics: Sequence[dict]) -> Iterator[dict]:
        """Contents of the rows, each under its name in this table."""
        for target in self.targets:
            for shots in self.shots:
                for name, row in self.view.shown.items():
                    for content in metrics:
                        run = content["run"]
                        if (run["target"], run["shots"]) == (target, shots) and self._is(run, row):
                            costs = readable(content["cost"])
                            yield content | {"run": run | {"variant": name}, "cost": costs}

    def _is(self, run: dict, row: TableRow) -> bool:
        if run["variant"] != row.variant:
            return False
        if is_control(run):
            return True
        counted = not self.view.seeds or run["seed"] in self.view.seeds
        return counted and run["nfe"] == (row.nfe or run["trained_nfe"])

    def _columns(self) -> list[Column]:
        """Those asked for, and beside them what keeps them honest, as far as it is measured."""
        known = {name: metric.column for name, metric in METRICS.items()} | COSTS
        measured = set(self.frame.loc[self.frame["n"] > 0, "metric"]) if len(self.frame) else set()
        names: dict[str, None] = {}
        for name in self.view.metrics:
            beside = [other for other in BESIDE.get(name, ()) if other in measured]
            names |= dict.fromkeys([name, *beside])
        return [known[name] for name in names]

    def _part(self, target: str | None, shots: int) -> Part:
        label = target or self.mean_label
        block = self.frame
        if len(block):
            here = (block["target"] == label) & (block["shots"] == shots)
            block = of_one_size(block[here])
        part = Part(target, shots, {}, {}, {})
        for name, row in self.view.shown.items():
            own = block[block["variant"] == name] if len(block) else block
            nfe = row.nfe
            if len(own):
                nfe = None if pd.isna(own["nfe"].iloc[0]) else int(own["nfe"].iloc[0])
                part.control[name] = bool(own["control"].iloc[0])
            found = own.set_index("metric") if len(own) else None
            part.rows[name] = [
                Place(
                    name,
                    column,
                    found,
                    published_cell(self.view, label, shots, name, nfe, column.name),
                )
                for column in self.columns
            ]
            theirs = [place.theirs for place in part.rows[name] if place.theirs]
            part.nfe[name] = theirs[0].nfe if not len(own) and theirs else nfe
        part.bold = self._bold(block, part)
        return part

    def _bold(self, block: pd.DataFrame, part: Part) -> set[tuple[str, str]]:
        if not len(block):
            return set()
        among = ranked(block)
        bold = set()
        for i, column in enumerate(self.columns):
            best = best_text(among, column)
            for name in set(among["variant"]):
                own = part.rows[name][i].part
                text = mean_text(own, column)
                if text != MISSING and text == best:
                    bold.add((name, column.name))
        return bold

    def title(self, part: Part) -> str:
        """Of a block."""
        return block_title(part.target or self.mean_label, part.shots)


def mean_label(task: type[Task]) -> str:
    """What the mean over targets is called."""
    return task.mean_of_targets or MEAN


def published_cell(
    view: TableView, target: str, shots: int, name: str, nfe: int | None, metric: str
) -> PublishedValue | None:
    """The papers' number for a cell; None where there is none, or the table wants none.

    Args:
        view: the table.
        target: of the block, or what the mean over them is called.
        shots: of the block.
        name: of the row.
        nfe: of our row; None of one that only the papers have.
        metric: ours.
    """
    if view.published is None:
        return None
    row = view.shown[name]
    wanted = row.published_nfe or nfe
    found = find_published(target, row.published or name, metric, wanted, shots, view.published)
    return found[0] if found else None


def published_cells(view: TableView, config: Config) -> list[PublishedValue]:
    """Every number of the papers that a table of an experiment will show."""
    targets = list(view.targets or config.targets)
    if view.mean:
        targets = [mean_label(TASKS[config.task])]
    found = []
    for name, row in view.shown.items():
        nfe = row.nfe or (
            config.variants[row.variant].nfe if row.variant in config.variants else None
        )
        if row.variant is None or nfe is not None:
            found += [
                published_cell(view, target, shots, name, nfe, metric)
                for target in targets
                for shots in view.shots or config.shots
                for metric in view.metrics
            ]
    return [value for value in found if value is not None]


def _add_memory(contents: Iterable[dict], baseline: str | None) -> None:
    """Peak memory beyond that of the baseline's run on the same images with the same seed, in %."""
    contents = list(contents)

    def key(run: dict) -> tuple:
        return run["target"], run["shots"], run["seed"]

    peaks = {
        key(content["run"]): content["cost"].get("peak_memory_mb")
        for content in contents
        if content["run"]["variant"] == baseline
    }
    for content in contents:
        own, least = content["cost"].get("peak_memory_mb"), peaks.get(key(content["run"]))
        if own and least and content["run"]["variant"] != baseline:
            content["cost"]["peak_memory_added"] = 100 * (own / least - 1)
