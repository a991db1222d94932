"""What a row cost, in the units that tables show."""

from __future__ import annotations

from collections.abc import Mapping

from unidad.metrics.registry import Column

PAPER_SAMPLES = 5000
ALL_STAGES = (
    "Training includes the runs that a variant starts from; on a CPU it is processor time, summed "
    "over cores."
)
COSTS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("training_seconds_total", "training minutes", "lower", 1, 1 / 60),
        Column("training_hours", "training hours", "lower", 2, note=ALL_STAGES),
        Column("images_per_second", "images/s", "higher", 1),
        Column("minutes_for_5000", "minutes for 5000 samples", "lower", 2),
        Column("tflops_per_image", "TFLOPs per image", "lower", 4),
        Column("peak_memory_gb", "peak memory in training, GB", "lower", 2),
        Column("peak_memory_added", "peak memory added (%)", "lower", 0),
    )
}
"""Name → how it is shown. `peak_memory_added` is a table's own: it needs a row to compare with."""


def readable(cost: Mapping[str, float | None]) -> dict[str, float | None]:
    """A row's costs, and beside them those of `COSTS` that follow from them."""

    def of(name: str, scale: float) -> float | None:
        value = cost.get(name)
        return None if value is None else value * scale

    speed = cost.get("images_per_second")
    return dict(cost) | {
        "training_hours": of("training_seconds_total", 1 / 3600),
        "minutes_for_5000": PAPER_SAMPLES / speed / 60 if speed else None,
        "tflops_per_image": of("gflops_per_image", 1e-3),
        "peak_memory_gb": of("peak_memory_mb", 1e-3),
    }
