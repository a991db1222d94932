"""All metrics of one image set."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from tqdm import tqdm

from unidad.config.evaluation import IntraLpips
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.features import Extractor, Features, Perceptual, extract
from unidad.metrics.attributes import attribute_coverage, attribute_spread
from unidad.metrics.frechet import distance_to_gaussian, frechet_distance
from unidad.metrics.kernel import kernel_distance
from unidad.metrics.memorisation import memorisation
from unidad.metrics.perceptual import DEFAULT_RULES, intra_lpips
from unidad.metrics.prdc import prdc
from unidad.metrics.rows import TooFewRowsError

METRICS = (
    *("frechet_distance", "kernel_distance", "intra_lpips"),
    *("precision", "recall", "density", "coverage"),
    *("attribute_spread", "attribute_coverage", "memorisation", "domain_share"),
)
MOST_CLUSTERS = 100
"""Intra-LPIPS is a few-shot metric: null with more training images than this."""
BATCH = 200
BATCH_PIXELS = 2**19
"""Perceptual maps of so many pixels at once: 0.3 GB for VGG, whatever the resolution."""


def evaluate(
    samples: ImageSet,
    training: ImageSet,
    extractor: Extractor,
    *,
    sample_features: Features | None = None,
    training_features: Features | None = None,
    reference_features: Features | None = None,
    reference_moments: tuple[Tensor, Tensor] | None = None,
    domain: str | None = None,
    rules: IntraLpips = DEFAULT_RULES,
    progress: bool = True,
) -> dict[str, float | None]:
    """Every metric in METRICS; null (None) where it cannot be measured.

    Without a reference, all but Intra-LPIPS and the domain share are null; so is a metric for
    which an image set has too few images, the domain share where `domain` is None or the
    extractor knows no domains, and Intra-LPIPS with more than MOST_CLUSTERS training images.

    Args:
        samples: the images to measure.
        training: the target's training images (shots).
        extractor: the feature network.
        sample_features: cached features of `samples`; computed here by default, as the next.
        training_features: cached features of `training`.
        reference_features: features of held-out images of the target, None if there are none.
        reference_moments: cached mean and covariance of `reference_features`, see `moments`.
        domain: the target's name among `extractor.domains`.
        rules: of Intra-LPIPS.
        progress: show a progress bar for the perceptual maps, which are computed once an image.

    Raises:
        UserError: features that do not belong to the images, hold NaN, or differ in width; an
            unknown domain; an empty image set.
    """
    found = _features(samples, sample_features, extractor, "samples")
    known = _features(training, training_features, extractor, "training images")
    metrics = dict.fromkeys(METRICS)
    metrics["domain_share"] = _domain_share(found, extractor, domain)
    if len(training) <= MOST_CLUSTERS:
        rows = perceptual_batches(samples, extractor, rules.unit_range, progress)
        known_rows = torch.cat(list(perceptual_batches(training, extractor, False, False)))
        metrics["intra_lpips"] = measured(intra_lpips, rows, known_rows, rules)
    if reference_features is not None:
        metrics |= _against_reference(found, known, reference_features, reference_moments)
    return metrics


def _features(
    images: ImageSet, cached: Features | None, extractor: Extractor, what: str
) -> Features:
    if cached is None:
        return extract(images, extractor)
    if len(cached) != len(images):
        raise UserError(
            f"{what}: {len(images)} images, but features of {len(cached)}; compute them again"
        )
    return cached


def _against_reference(
    samples: Features,
    training: Features,
    reference: Features,
    reference_moments: tuple[Tensor, Tensor] | None,
) -> dict[str, float | None]:
    pooled = samples.pooled, reference.pooled
    if reference_moments is None:
        frechet = measured(frechet_distance, *pooled)
    else:
        frechet = measured(distance_to_gaussian, samples.pooled, *reference_moments)
    metrics = {
        "frechet_distance": frechet,
        "kernel_distance": measured(kernel_distance, *pooled),
        "memorisation": measured(memorisation, samples.pooled, training.pooled, reference.pooled),
    }
    metrics |= measured(prdc, *pooled) or {}
    if samples.attributes.shape[1]:
        attributes = samples.attributes, reference.attributes
        metrics["attribute_spread"] = measured(attribute_spread, *attributes)
        metrics["attribute_coverage"] = measured(attribute_coverage, *attributes)
    return metrics


def measured(metric: Callable, *arguments):
    """The metric's value, None where there are too few images for it."""
    try:
        return metric(*arguments)
    except TooFewRowsError:
        return None


def _domain_share(samples: Features, extractor: Extractor, domain: str | None) -> float | None:
    """Share of samples that the extractor takes for the target domain rather than another."""
    if domain is None or not extractor.domains:
        return None
    if domain not in extractor.domains:
        raise UserError(
            f"domain {domain!r} is unknown to the feature network; "
            f"it knows {', '.join(extractor.domains)}"
        )
    return float((samples.domain.argmax(1) == extractor.domains.index(domain)).mean())


def perceptual_batches(
    images: ImageSet, extractor: Perceptual, unit_range: bool, progress: bool
) -> Iterator[Tensor]:
    """Rows of an image set, batch by batch; see `Perceptual`."""
    height, width = images.images.shape[1:3]
    size = min(BATCH, max(1, BATCH_PIXELS // (height * width)))
    starts = range(0, len(images), size)
    for start in tqdm(starts, desc="perceptual maps", unit="batch", disable=not progress):
        yield extractor.perceptual(images.images[start : start + size], unit_range)
