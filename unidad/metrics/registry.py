"""Every metric: what computes it, what it needs, and how reports show it.

A new metric is one function and one line here. Every task that has what it needs measures it, and
tables show it where it has a heading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, Literal

from unidad.metrics.attributes import attribute_coverage, attribute_spread, domain_share
from unidad.metrics.frechet import frechet_distance
from unidad.metrics.grain import grain_ratio
from unidad.metrics.kernel import kernel_distance
from unidad.metrics.memorisation import memorisation, near_copies
from unidad.metrics.monge import monge_distance
from unidad.metrics.perceptual import intra_lpips
from unidad.metrics.rows import TooFewRowsError
from unidad.metrics.similarity import similarity_to_photos, similarity_to_prompts
from unidad.metrics.success import part_success, prompt_success
from unidad.metrics.trajectory import smallest_on_the_way, smallest_without_copies
from unidad.metrics.vendi import vendi_score

Direction = Literal["lower", "higher"]
ARROWS: dict[Direction | None, str] = {"lower": " ↓", "higher": " ↑", None: ""}


@dataclass(frozen=True)
class Column:
    """How a measured number is shown.

    Attributes:
        name: its key in metrics files.
        heading: in tables and plots; `{features}` stands for the networks' label. Empty: it
            stands in the files alone.
        better: which end is; None where neither is.
        digits: after the point, of the scaled value.
        scale: the value is multiplied by it.
        note: stands below a table that has the column.
    """

    name: str
    heading: str = ""
    better: Direction | None = None
    digits: int = 2
    scale: float = 1.0
    note: str = ""

    def header(self, features: str) -> str:
        """Of a table's column, with an arrow to the better end."""
        return self.heading.format(features=features) + ARROWS[self.better]

    def text(self, value: float) -> str:
        """A value as it is printed."""
        text = f"{value * self.scale:.{self.digits}f}"
        return text.removeprefix("-") if float(text) == 0 else text

    def label(self, features: str) -> str:
        """Of a plot's axis."""
        better = f", {self.better} is better" if self.better else ""
        return self.heading.format(features=features) + better


@dataclass(frozen=True)
class Metric:
    """How a number is measured.

    Attributes:
        column: its name, and how it is shown.
        function: of what it needs, in this order; the number, or None where there is none.
        needs: names of metrics above it, or of attributes of the evidence (`measure`).
    """

    column: Column
    function: Callable[..., float | None]
    needs: tuple[str, ...]


def _metric(function: Callable, needs: str, *column: Any) -> Metric:
    return Metric(Column(*column), function, tuple(needs.split()))


_POOLED = "pooled reference_pooled"
_ATTRIBUTES = "attributes reference_attributes"
_WORDS = "words asked"
_ALL = (
    _metric(frechet_distance, _POOLED, "frechet_distance", "FD ({features})", "lower"),
    _metric(
        smallest_on_the_way,
        "frechet_distance snapshots",
        *("best_frechet_distance", "best FD on the way", None, 2, 1.0),
        "Best FD on the way: the smallest among a run's snapshots and its last model, chosen on "
        "the images it is measured against, as published numbers often are. All else is of the "
        "last model.",
    ),
    _metric(kernel_distance, _POOLED, "kernel_distance", "KD ({features}) ×10³", "lower", 2, 1e3),
    _metric(monge_distance, _POOLED, "monge_distance", "MIND ({features})", "lower"),
    _metric(
        frechet_distance,
        "dinov2 reference_dinov2",
        *("frechet_distance_dinov2", "FD (DINOv2)", "lower"),
    ),
    _metric(
        similarity_to_photos,
        "instance photo_instance are_photos clamp",
        *("instance_similarity", "instance similarity ({features})", "higher", 3),
    ),
    _metric(
        similarity_to_photos,
        "clip photo_clip are_photos clamp",
        *("clip_i", "CLIP-I ({features})", "higher", 3),
    ),
    _metric(
        similarity_to_prompts,
        "answering_clip answered_text clamp",
        *("clip_t", "CLIP-T ({features})", "higher", 3),
    ),
    _metric(prompt_success, _WORDS, "prompt_success", "prompt success", "higher"),
    _metric(partial(part_success, part="category"), _WORDS, "category_success"),
    *(
        _metric(
            partial(part_success, part=part), _WORDS, f"{part}_success", f"{part} right", "higher"
        )
        for part in ("context", "property", "accessory")
    ),
    _metric(intra_lpips, "lpips_within", "intra_lpips", "Intra-LPIPS ({features})", "higher", 3),
    _metric(float, "lpips_across", "inter_lpips", "Inter-LPIPS ({features})", "higher", 3),
    _metric(vendi_score, "pooled", "vendi_score", "Vendi ({features})", "higher", 1),
    *(
        _metric(itemgetter(name), "neighbourhoods", name, name, "higher")
        for name in ("precision", "recall", "density", "coverage")
    ),
    _metric(attribute_spread, _ATTRIBUTES, "attribute_spread", "attribute spread"),
    _metric(attribute_coverage, _ATTRIBUTES, "attribute_coverage", "attribute coverage", "higher"),
    _metric(
        memorisation,
        "distances held_out_distances",
        *("memorisation", "memorisation", "lower", 3),
    ),
    _metric(near_copies, "near_distances", "near_copies", "near copies", "lower", 3),
    _metric(
        smallest_without_copies,
        "frechet_distance memorisation snapshots",
        *("frechet_distance_without_copies", "FD at ≤ 1 % copies", "lower", 2, 1.0),
        "FD at ≤ 1 % copies: the smallest among those of a run's snapshots and its last model "
        "whose memorisation is at most 0.01, chosen as the best on the way is; – where all copy.",
    ),
    _metric(domain_share, "domain domain_place", "domain_share", "domain share", "higher"),
    _metric(
        grain_ratio,
        "pixels reference_pixels",
        *("grain", "grain", "lower", 2, 1.0),
        "Grain: noise in the flattest fifth of an image, as a multiple of real images'.",
    ),
)
DEPEND_ON_NUMBER = (
    *("frechet_distance", "best_frechet_distance", "frechet_distance_without_copies"),
    *("frechet_distance_dinov2", "monge_distance", "vendi_score"),
    *("recall", "coverage", "intra_lpips", "attribute_coverage"),
)
"""Metrics that more images of the same kind change: sets of different size do not compare."""
METRICS: dict[str, Metric] = {metric.column.name: metric for metric in _ALL}
"""Name → metric, in the order of tables' columns."""


def measurable(evidence: type) -> list[str]:
    """The metrics whose needs this class of evidence knows, in the order of METRICS."""
    known: list[str] = []
    for name, metric in METRICS.items():
        if all(need in known or hasattr(evidence, need) for need in metric.needs):
            known.append(name)
    return known


def measure(names: Iterable[str], evidence: object) -> dict[str, float | None]:
    """Every named metric; None where something it needs is missing, or there are too few images.

    Args:
        names: of METRICS, in an order in which each comes after those it needs.
        evidence: attributes that metrics need, computed when first asked for; one that is None
            is missing.

    Raises:
        UserError: features that do not belong together, or are not finite.
    """
    found: dict[str, float | None] = {}
    for name in names:
        metric = METRICS[name]
        try:
            given = [found[n] if n in found else getattr(evidence, n) for n in metric.needs]
            missing = any(value is None for value in given)
            found[name] = None if missing else metric.function(*given)
        except TooFewRowsError:
            found[name] = None
    return found
