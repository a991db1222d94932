"""Times two sides that compute the same numbers, in turns, and counts their network passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

import torch

from unidad import provenance
from unidad.timing import now


class Meter:
    """Counts images through networks, and the seconds that their passes take.

    Attributes:
        passes: kind → images that went through a watched call: ``forward`` the whole network,
            ``features`` the encoder alone.
        seconds: in watched calls and, within `backward`, in backpropagation.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start from zero."""
        self.passes: Counter[str] = Counter()
        self.seconds = 0.0

    def watch(self, owner: object, name: str, kind: str = "forward") -> None:
        """Count and time ``owner.name(images, ...)`` from now on."""
        call = self._timed(getattr(owner, name))

        def counted(images, *args, **kwargs):
            self.passes[kind] += len(images)
            return call(images, *args, **kwargs)

        setattr(owner, name, counted)

    @contextmanager
    def backward(self):
        """Within it, backpropagation counts as time in networks."""
        with patch.object(torch.autograd, "backward", self._timed(torch.autograd.backward)):
            yield

    def _timed(self, call: Callable) -> Callable:
        def timed(*args, **kwargs):
            began = now()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += now() - began

        return timed


@dataclass(frozen=True)
class Side:
    """One of two ways to the same numbers.

    Attributes:
        run: computes them.
        meter: watches the networks that it passes through.
    """

    run: Callable[[], object]
    meter: Meter = field(default_factory=Meter)

    def timed(self) -> float:
        """Run once; returns the seconds."""
        self.meter.reset()
        began = now()
        with self.meter.backward():
            self.run()
        return now() - began


@dataclass(frozen=True)
class Comparison:
    """Our implementation and a plain one, on one problem."""

    subject: str
    problem: str
    ours: Side
    reference: Side


@dataclass(frozen=True)
class Result:
    """What a comparison gave; what was only counted has no seconds.

    Attributes:
        subject, problem: of the comparison.
        seconds, reference_seconds: the fastest of the repeats, for disturbances can only add.
        ratio: the reference's seconds over ours.
        smallest_ratio, largest_ratio: of the repeats, each a pair run one after the other.
        network_share: share of our time in network passes, backward ones included: what is left
            is all that better code around the networks could save. None without a network.
        passes, reference_passes: images through whole networks.
        encoder_passes: images through encoders alone; the reference has none.
    """

    subject: str
    problem: str
    passes: int
    encoder_passes: int
    reference_passes: int
    seconds: float | None = None
    reference_seconds: float | None = None
    ratio: float | None = None
    smallest_ratio: float | None = None
    largest_ratio: float | None = None
    network_share: float | None = None


def measure(comparison: Comparison, repeats: int) -> Result:
    """Run both sides in turns, after one run of each that does not count.

    Args:
        comparison: what to run.
        repeats: pairs that count, at least 1.
    """
    ours, reference = comparison.ours, comparison.reference
    runs = []
    for _ in range(repeats + 1):
        seconds = ours.timed()
        runs.append((seconds, reference.timed(), ours.meter.seconds / seconds))
    own, theirs, shares = zip(*runs[1:], strict=True)
    ratios = [reference_seconds / seconds for seconds, reference_seconds, _ in runs[1:]]
    return Result(
        comparison.subject,
        comparison.problem,
        ours.meter.passes["forward"],
        ours.meter.passes["features"],
        reference.meter.passes["forward"],
        min(own),
        min(theirs),
        min(theirs) / min(own),
        min(ratios),
        max(ratios),
        shares[own.index(min(own))] if ours.meter.passes else None,
    )


def machine() -> str:
    """Processor, GPU if there is one, threads."""
    return f"{provenance.machine()}; threads: {torch.get_num_threads()}"
