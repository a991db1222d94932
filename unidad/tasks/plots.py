"""Which figures a task's report has."""

from __future__ import annotations

from dataclasses import dataclass

NFE, UPDATES, MINUTES = "nfe", "updates", "minutes"
ON_THE_WAY = {
    UPDATES: "student updates",
    MINUTES: "training minutes, all stages",
}
"""Axes that snapshots are drawn against, and what a report calls them."""


@dataclass(frozen=True)
class Plot:
    """A metric against another one, against NFE, or against training; one panel a target.

    Attributes:
        name: of its file and of its caption.
        y: a metric.
        x: another one; NFE; UPDATES, or MINUTES with those of the stages before.
        logarithmic: of y.
        on_the_way: draw a variant as the curve of its snapshots and its last model; always so
            against UPDATES and MINUTES.
    """

    name: str
    y: str
    x: str
    logarithmic: bool = False
    on_the_way: bool = False
