"""What every table does alike: how a number is printed, and which one is bold."""

from __future__ import annotations

import pandas as pd

from unidad.metrics.registry import DEPEND_ON_NUMBER, Column

MISSING = "–"
REACHED = 0.8
"""Domain share below which a variant is not ranked: it does not draw the target."""
ONE_SIZE = (
    "A control of more or fewer images than the rows have shows – where a metric depends on their "
    "number."
)
NOT_RANKED = (
    f"Nothing is bold of a variant whose domain share is below {REACHED}: it does not draw "
    "the target, and diversity away from it is no merit."
)


def ranked(block: pd.DataFrame) -> pd.DataFrame:
    """The rows of trained variants that reach the target, of a tidy frame (`aggregate`)."""
    astray = (block["metric"] == "domain_share") & (block["mean"] < REACHED)
    return block[~block["control"] & ~block["variant"].isin(block.loc[astray, "variant"])]


def of_one_size(block: pd.DataFrame) -> pd.DataFrame:
    """A tidy frame without the numbers of controls that other numbers of images make incomparable.

    Where nothing of a block is trained, the controls stand as they are.
    """
    drawn = set(block.loc[~block["control"], "samples"])
    other = block["control"] & ~block["samples"].isin(drawn) & bool(drawn)
    return block[~(other & block["metric"].isin(DEPEND_ON_NUMBER))]


def best_text(among: pd.DataFrame, column: Column) -> str | None:
    """The best mean as it is printed; None where there is none, or neither end is better."""
    means = among.loc[among["metric"] == column.name, "mean"].dropna()
    if column.better is None or means.empty:
        return None
    return number(means.min() if column.better == "lower" else means.max(), column)


def number(value: float, column: Column) -> str:
    """A value as a column prints it."""
    return column.text(value)


def mean_text(part: pd.DataFrame, column: Column) -> str:
    """A row's mean; `part` has its metrics as index."""
    if column.name not in part.index or pd.isna(part.loc[column.name, "mean"]):
        return MISSING
    return number(part.loc[column.name, "mean"], column)


def deviation_text(part: pd.DataFrame, column: Column) -> str:
    """What stands behind a mean of several seeds."""
    if column.name not in part.index or part.loc[column.name, "n"] < 2:
        return ""
    return f" ± {number(part.loc[column.name, 'std'], column)}"
