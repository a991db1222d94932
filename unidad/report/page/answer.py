"""What came out, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from unidad.metrics.registry import Column
from unidad.report.cells import number, ranked
from unidad.style import block_title

TRAINING = "training_seconds_total"


@dataclass(frozen=True)
class Finding:
    """Of one block of the table.

    Attributes:
        title: of the block.
        best: the variant that is ahead; None where none is ranked.
        text: what is said of it, without its name.
        more: of other measures, and of variants that are not ranked.
    """

    title: str
    best: str | None
    text: str
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
        _finding(block_title(*block), part, spoken, features)
        for block, part in rows.groupby(["target", "shots"], sort=False, dropna=False)
    ]


def headline(found: Sequence[Finding], mean: str | None = None) -> str:
    """The answer in one sentence.

    Args:
        found: of every block.
        mean: what the block of the mean over targets is called, if there is one: it decides.
    """
    decisive = [finding for finding in found if mean and finding.title.startswith(f"{mean},")]
    counts = Counter(finding.best for finding in decisive or found if finding.best)
    if not counts:
        return "No trained variant draws its target."
    most = max(counts.values())
    winners = [variant for variant, count in counts.items() if count == most]
    total = len(decisive or found)
    if decisive:
        return f"{winners[0]} is ahead, as a mean over the targets."
    if total == 1:
        return f"{winners[0]} is ahead."
    if most == total:
        return f"{winners[0]} is ahead on {'both' if total == 2 else f'all {total}'} targets."
    names = " and ".join(winners)
    share = f"on {most} of {total} targets" + (" each" if len(winners) > 1 else "")
    return f"{names} {'is' if len(winners) == 1 else 'are'} ahead {share}."


def _finding(title: str, block: pd.DataFrame, columns: Sequence[Column], features: str) -> Finding:
    runners = ranked(block)
    orders = {column.name: _order(runners, column) for column in columns}
    measured = [column for column in columns if len(orders[column.name])]
    if not measured:
        return Finding(title, None, _astray(block, runners) or "nothing was measured.")
    first, *others = measured
    order = orders[first.name]
    best = order.iloc[0]
    parts = [f"{first.heading.format(features=features)} {number(best['mean'], first)}"]
    parts[0] += f" ({first.better} is better)"
    parts.append(f"{best['nfe']} network evaluations an image")
    minutes = _value(block, best["variant"], TRAINING)
    if minutes is not None:
        parts.append(f"{minutes / 60:.1f} minutes of training with all that it starts from")
    sentences = [", ".join(parts) + "."]
    if len(order) > 1:
        sentences.append(_second(best, order.iloc[1], first))
    sentences += _real(block, first)
    elsewhere = [_elsewhere(orders[column.name].iloc[0], column, features) for column in others]
    more = [f"Best by other measures: {'; '.join(elsewhere)}."] if elsewhere else []
    more.append(_astray(block, runners))
    return Finding(title, best["variant"], " ".join(sentences), " ".join(more).strip())


def _order(rows: pd.DataFrame, column: Column) -> pd.DataFrame:
    """The best first."""
    known = rows[(rows["metric"] == column.name) & rows["mean"].notna()]
    return known.sort_values("mean", ascending=column.better == "lower", kind="stable")


def _second(best: pd.Series, second: pd.Series, column: Column) -> str:
    text = f"Next is {second['variant']} with {number(second['mean'], column)}"
    spread = pd.Series([best["std"], second["std"]], dtype=float)
    if spread.isna().any():
        return f"{text} (one seed: small differences may be chance)."
    close = abs(best["mean"] - second["mean"]) <= (spread**2).sum() ** 0.5
    return f"{text}, which is within the spread over seeds." if close else f"{text}."


def _real(block: pd.DataFrame, column: Column) -> list[str]:
    """What real images reach, the best of the controls that no network drew."""
    real = block[block["control"] & block["nfe"].isna()]
    order = _order(real, column)
    if order.empty:
        return []
    return [f"{order.iloc[0]['variant']} reach {number(order.iloc[0]['mean'], column)}."]


def _elsewhere(best: pd.Series, column: Column, features: str) -> str:
    name = column.heading.format(features=features)
    return f"{name} ({column.better}): {best['variant']}, {number(best['mean'], column)}"


def _astray(block: pd.DataFrame, runners: pd.DataFrame) -> str:
    trained = block.loc[~block["control"], "variant"]
    astray = list(dict.fromkeys(trained[~trained.isin(runners["variant"])]))
    if not astray:
        return ""
    return f"Not ranked, as too few of their images are of the target: {', '.join(astray)}."


def _value(block: pd.DataFrame, variant: str, metric: str) -> float | None:
    found = block[(block["variant"] == variant) & (block["metric"] == metric)]["mean"].dropna()
    return None if found.empty else float(found.iloc[0])
