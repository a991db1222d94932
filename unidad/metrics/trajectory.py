"""What the snapshots of a run say about its last model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

COPIES = 0.01
"""Largest memorisation of a model that does not live on copies."""


def smallest_on_the_way(last: float, snapshots: Sequence[dict]) -> float | None:
    """The smallest Frechet distance of snapshots and last model; None without snapshots.

    It is chosen on the very images it is measured against, so it flatters: published numbers are
    often chosen so (SPEC section 5), which is why it stands beside the last model's.

    Args:
        last: of the last model.
        snapshots: each as `evaluate_snapshots` gives it, with ``metrics``.
    """
    return min([last, *_known(snapshots)]) if snapshots else None


def smallest_without_copies(
    last: float, memorisation: float, snapshots: Sequence[dict]
) -> float | None:
    """The same among those models whose memorisation is at most COPIES; None if there is none."""
    honest = [at for at in snapshots if (at["metrics"]["memorisation"] or 0.0) <= COPIES]
    own = [last] if memorisation <= COPIES else []
    return min([*own, *_known(honest)], default=None)


def _known(snapshots: Sequence[dict]) -> Iterator[float]:
    values = (at["metrics"]["frechet_distance"] for at in snapshots)
    return (value for value in values if value is not None)
