"""All metrics of one image set."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor
from tqdm import tqdm

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.metrics.attributes import attribute_coverage, attribute_spread
from unidad.metrics.features import Extractor, Features, extract
from unidad.metrics.frechet import frechet_distance
from unidad.metrics.kernel import kernel_distance
from unidad.metrics.memorisation import memorisation
from unidad.metrics.perceptual import intra_lpips
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


def evaluate(
    samples: ImageSet,
    training: ImageSet,
    extractor: Extractor,
    *,
    sample_features: Features | None = None,
    training_features: Features | None = None,
    reference_features: Features | None = None,
    domain: str | None = None,
    progress: bool = True,
) -> dict[str, float | None]:
    """Every metric in METRICS; null (None) where it cannot be measured.

    Without a reference, all but Intra-LPIPS and the domain share are null; so is a metric for
    which an image set has too few images, the domain share where `domain` is None, and
    Intra-LPIPS with more than MOST_CLUSTERS training images.

    Args:
        samples: the images to measure.
        training: the target's training images (shots).
        extractor: the feature network.
        sample_features: cached features of `samples`; computed here by default, as the next.
        training_features: cached features of `training`.
        reference_features: features of held-out images of the target, None if there are none.
        domain: the target's name among `extractor.domains`.
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
        rows = _perceptual_batches(samples, extractor, progress)
        metrics["intra_lpips"] = intra_lpips(rows, extractor.perceptual(training.images))
    if reference_features is not None:
        metrics |= _against_reference(found, known, reference_features)
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
    samples: Features, training: Features, reference: Features
) -> dict[str, float | None]:
    pooled = samples.pooled, reference.pooled
    metrics = {
        "frechet_distance": _measured(frechet_distance, *pooled),
        "kernel_distance": _measured(kernel_distance, *pooled),
        "memorisation": _measured(memorisation, samples.pooled, training.pooled, reference.pooled),
    }
    metrics |= _measured(prdc, *pooled) or {}
    if samples.attributes.shape[1]:
        attributes = samples.attributes, reference.attributes
        metrics["attribute_spread"] = _measured(attribute_spread, *attributes)
        metrics["attribute_coverage"] = _measured(attribute_coverage, *attributes)
    return metrics


def _measured(metric: Callable, *rows: np.ndarray):
    try:
        return metric(*rows)
    except TooFewRowsError:
        return None


def _domain_share(samples: Features, extractor: Extractor, domain: str | None) -> float | None:
    """Share of samples that the extractor takes for the target domain rather than another."""
    if domain is None:
        return None
    if domain not in extractor.domains:
        raise UserError(
            f"domain {domain!r} is unknown to the feature network; "
            f"it knows {', '.join(extractor.domains)}"
        )
    return float((samples.domain.argmax(1) == extractor.domains.index(domain)).mean())


def _perceptual_batches(images: ImageSet, extractor: Extractor, progress: bool) -> Iterator[Tensor]:
    starts = range(0, len(images), BATCH)
    for start in tqdm(starts, desc="perceptual maps", unit="batch", disable=not progress):
        yield extractor.perceptual(images.images[start : start + BATCH])
