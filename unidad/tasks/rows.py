"""What an experiment is made of: training runs and measured rows."""

from __future__ import annotations

from dataclasses import dataclass

from unidad.config.names import slug


@dataclass(frozen=True)
class Run:
    """One training: a variant on a target's shots with a seed; shots None is the source set."""

    target: str
    shots: int | None
    label: str
    seed: int

    @property
    def key(self) -> str:
        """Its part of every path: ``babies/shots10/uni-dad/seed0``, ``source/all/dmd2/seed0``."""
        return f"{self.target}/{shots_name(self.shots)}/{slug(self.label)}/seed{self.seed}"


@dataclass(frozen=True)
class Row:
    """One measured image set: a run at some nfe, or a control (run None).

    Paths are relative to the experiment's folder.
    """

    target: str
    shots: int | None
    label: str
    nfe: int | None
    images: str
    run: Run | None = None

    @property
    def metrics(self) -> str:
        """Where its metrics go."""
        if self.run is not None:
            return f"metrics/{self.run.key}/nfe{self.nfe}.json"
        return f"metrics/{self.target}/{shots_name(self.shots)}/{slug(self.label)}.json"


def shots_name(shots: int | None) -> str:
    """``shots10``, or ``all`` for the source set."""
    return "all" if shots is None else f"shots{shots}"
