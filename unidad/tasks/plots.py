"""Which figures a task's report has."""

from __future__ import annotations

from dataclasses import dataclass

NFE, UPDATES = "nfe", "updates"


@dataclass(frozen=True)
class Plot:
    """A metric against another one, against NFE, or against updates; one panel a target.

    Attributes:
        name: of its file and of its caption.
        y: a metric.
        x: another one, each variant at the NFE it was trained for; NFE; or UPDATES, with the
            snapshots on the way.
        logarithmic: of y.
    """

    name: str
    y: str
    x: str
    logarithmic: bool = False
