"""What a table of an experiment shows: some of its runs, under names of its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from unidad.config.section import DISTINCT, Count, Section, Seed, Text, Whole


class TableRow(Section):
    """What stands in a row."""

    variant: Text | None = None
    """Label of a variant or of a control; null: the papers' numbers alone."""
    nfe: Count | None = None
    """Network evaluations an image: the variant's own (null), or one of its extra_nfe."""
    published: Text | None = None
    """What the papers call it; null: as the row is named."""
    published_nfe: Count | None = None
    """Network evaluations of the papers' numbers; null: as many as ours."""


Rows = (
    Annotated[tuple[Text, ...], Field(min_length=1), DISTINCT]
    | Annotated[dict[str, Text | TableRow | None], Field(min_length=1)]
)


class TableView(Section):
    """Some of an experiment's runs, and what is told of them."""

    heading: Text
    """Stands above the table."""
    caption: str = ""
    """What a reader should know, in a few sentences."""
    published: Text | None = None
    """The papers' table whose numbers stand beside ours: "1" to "7"; what it lacks is taken from
    their others."""
    rows: Rows
    """Labels; or the names of rows, and for each a label, null (the papers' numbers alone), or
    what stands in it."""
    metrics: Annotated[tuple[Text, ...], Field(min_length=1), DISTINCT]
    """Columns: names of metrics or of costs, as in tables/all.csv."""
    targets: Annotated[tuple[Text, ...], DISTINCT] = ()
    """A block of rows each; empty: all."""
    mean: bool = False
    """One block with the means over these targets, in place of one for each."""
    shots: Annotated[tuple[Count, ...], DISTINCT] = ()
    """A block each; empty: all."""
    seeds: Annotated[tuple[Seed, ...], DISTINCT] = ()
    """Training seeds that count; empty: all."""
    images: Whole = 0
    """Columns of each target in grids/<table>.png, a figure of the rows' images; 0: no figure."""
    memory_baseline: Text | None = None
    """The row whose peak memory peak_memory_added is compared with."""

    @property
    def shown(self) -> dict[str, TableRow]:
        """Name of a row → what stands in it, in order."""
        if isinstance(self.rows, tuple):
            return {label: TableRow(variant=label) for label in self.rows}
        return {
            name: row if isinstance(row, TableRow) else TableRow(variant=row)
            for name, row in self.rows.items()
        }
