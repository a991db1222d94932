"""What came out, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from unidad.config.names import SOURCE
from unidad.metrics.registry import Column
from unidad.report.cells import number, of_one_size, ranked
from unidad.style import block_title

TRAINING = "training_seconds_total"


@dataclass(frozen=True)
class Finding:
    """Of one block of the table.

    Attributes:
        title: of the block.
        target: of the block.
        best: the variant that is ahead; None where none is ranked.
        text: what is said of it, without its name.
        close: whether the next one is within the spread over seeds.
        alone: whether nothing else was trained.
        copies: the best variant's share of near copies, where it was measured.
        more: of other measures, and of variants that are not ranked.
    """

    title: str
    target: str
    best: str | None
    text: str
    close: bool = False
    alone: bool = False
    copies: float | None = None
    more: str = ""


def findings(rows: pd.DataFrame, columns: Sequence[Column], features: str) -> list[Finding]:
    """One a block of the tidy frame of `comparison`.

    Args:
        rows: see `comparison`.
        columns: the metrics to speak of; the first that has a better end decides.
        features: the networks' label.
    """
    spoken = [column for column in columns if column.better]
    return [
        _finding(block, of_one_size(part), spoken, features)
        for block, part in rows.groupby(["target", "shots"], sort=False, dropna=False)
    ]


def headline(found: Sequence[Finding], mean: str | None = None) -> str:
    """The answer in one sentence; variants that learn the source are not asked for their target.

    Args:
        found: of every block.
        mean: what the block of the mean over targets is called, if there is one: it decides.
    """
    on_targets = [finding for finding in found if finding.target != SOURCE] or list(found)
    averaged = [finding for finding in found if finding.target == mean]
    asked = averaged or on_targets
    counts = Counter(finding.best for finding in asked if finding.best)
    if not counts:
        return "No trained variant draws its target."
    if all(finding.alone for finding in asked):
        (alone,) = counts
        copies = [finding.copies for finding in asked if finding.copies is not None]
        told = f"; {max(copies):.0%} of its images are nearly a training image" if copies else ""
        return f"{alone} was trained alone{told}: the images tell how good it is."
    most = max(counts.values())
    winners = [variant for variant, count in counts.items() if count == most]
    ahead = f"{' and '.join(winners)} {'is' if len(winners) == 1 else 'are'} ahead"
    return ahead + _where(most, len(asked), len(winners), bool(averaged)) + _chance(asked, winners)


def _where(most: int, total: int, winners: int, averaged: bool) -> str:
    if averaged:
        return ", as a mean over the targets"
    if total == 1:
        return ""
    if most == total:
        return f" on {'both' if total == 2 else f'all {total}'} targets"
    return f" on {most} of {total} targets{' each' if winners > 1 else ''}"


def _chance(asked: Sequence[Finding], winners: Sequence[str]) -> str:
    leads = [finding for finding in asked if finding.best in winners]
    close = sum(finding.close for finding in leads)
    if not close:
        return "."
    where = "" if close == len(leads) else f" on {close} of these targets"
    return f", but by less than the spread over seeds{where}."


def _finding(
    block: tuple[str, int | None], rows: pd.DataFrame, columns: Sequence[Column], features: str
) -> Finding:
    title, target = block_title(*block), block[0]
    runners = ranked(rows)
    orders = {column.name: _order(runners, column) for column in columns}
    measured = [column for column in columns if len(orders[column.name])]
    if not measured:
        return Finding(title, target, None, _astray(rows, runners) or "nothing was measured.")
    first, *others = measured
    order = orders[first.name]
    best = order.iloc[0]
    parts = [f"{first.heading.format(features=features)} {number(best['mean'], first)}"]
    parts[0] += f" ({first.better} is better)"
    parts.append(f"{best['nfe']} network evaluations an image")
    minutes = _value(rows, best["variant"], TRAINING)
    if minutes is not None:
        parts.append(f"{minutes / 60:.1f} minutes of training with all that it starts from")
    sentences = [", ".join(parts) + "."]
    if len(order) > 1:
        sentences.append(_second(best, order.iloc[1], first))
    sentences += _real(rows, first)
    alone = rows.loc[~rows["control"], "variant"].nunique() == 1
    others = [column for column in others if not (alone and column.name == TRAINING)]
    elsewhere = [_elsewhere(orders[column.name], column, features, alone) for column in others]
    what = "Other measures" if alone else "Best by other measures"
    more = [f"{what}: {'; '.join(elsewhere)}."] if elsewhere else []
    more.append(_astray(rows, runners))
    close = len(order) > 1 and _is_close(best, order.iloc[1])
    text = " ".join(sentences)
    copies, more = _value(rows, best["variant"], "near_copies"), " ".join(more).strip()
    return Finding(title, target, best["variant"], text, close, alone, copies, more)


def _order(rows: pd.DataFrame, column: Column) -> pd.DataFrame:
    """The best first."""
    known = rows[(rows["metric"] == column.name) & rows["mean"].notna()]
    return known.sort_values("mean", ascending=column.better == "lower", kind="stable")


def _second(best: pd.Series, second: pd.Series, column: Column) -> str:
    text = f"Next is {second['variant']} with {number(second['mean'], column)}"
    if _spread(best, second) is None:
        return f"{text} (one seed: small differences may be chance)."
    close = _is_close(best, second)
    return f"{text}, which is within the spread over seeds." if close else f"{text}."


def _is_close(best: pd.Series, second: pd.Series) -> bool:
    """Whether the difference is no larger than its standard deviation over seeds."""
    spread = _spread(best, second)
    return spread is not None and abs(best["mean"] - second["mean"]) <= spread


def _spread(best: pd.Series, second: pd.Series) -> float | None:
    """The difference's standard deviation; None where one of the two has one seed."""
    deviations = pd.Series([best["std"], second["std"]], dtype=float)
    return None if deviations.isna().any() else float((deviations**2).sum() ** 0.5)


def _real(block: pd.DataFrame, column: Column) -> list[str]:
    """What real images reach, the best of the controls that no network drew."""
    real = block[block["control"] & block["nfe"].isna()]
    order = _order(real, column)
    if order.empty:
        return []
    return [f"{order.iloc[0]['variant']} reach {number(order.iloc[0]['mean'], column)}."]


def _elsewhere(order: pd.DataFrame, column: Column, features: str, alone: bool) -> str:
    """Who is best by another measure; as it is printed, several may be."""
    best = number(order.iloc[0]["mean"], column)
    if alone:
        return f"{column.heading.format(features=features)} {best} ({column.better} is better)"
    alike = [row["variant"] for _, row in order.iterrows() if number(row["mean"], column) == best]
    names = " and ".join(alike) if len(alike) < 3 else f"{len(alike)} variants"
    return f"{column.heading.format(features=features)} ({column.better}): {names}, {best}"


def _astray(block: pd.DataFrame, runners: pd.DataFrame) -> str:
    trained = block.loc[~block["control"], "variant"]
    astray = list(dict.fromkeys(trained[~trained.isin(runners["variant"])]))
    if not astray:
        return ""
    return f"Not ranked, as too few of their images are of the target: {', '.join(astray)}."


def _value(block: pd.DataFrame, variant: str, metric: str) -> float | None:
    found = block[(block["variant"] == variant) & (block["metric"] == metric)]["mean"].dropna()
    return None if found.empty else float(found.iloc[0])
