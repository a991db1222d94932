"""What images of a domain show, against held-out and training images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from unidad.config.evaluation import IntraLpips
from unidad.errors import UserError
from unidad.features.features import MIRRORED, Features
from unidad.metrics.perceptual import within_clusters
from unidad.metrics.prdc import prdc
from unidad.metrics.rows import Nearest, Rows, as_rows, either_squared, nearest_of
from unidad.tasks.evidence import Evidence

FEW = 100
"""With more training images Intra-LPIPS is null, and mirrored copies are not looked for."""


class GenerationEvidence(Evidence):
    """Without a reference, all but Intra-LPIPS and the domain share have nothing to go on."""

    @cached_property
    def reference(self) -> Features | None:
        """Features of held-out images of the target."""
        path = self.spec["reference_features"]
        return Features.load(path) if path else None

    @property
    def pooled(self) -> np.ndarray:
        """What distances are measured in, (N, D)."""
        return self.features["pooled"]

    @property
    def reference_pooled(self) -> np.ndarray | None:
        """The same of held-out images, (M, D)."""
        return self.reference and self.reference["pooled"]

    @property
    def dinov2(self) -> np.ndarray | None:
        """DINOv2's features (N, D), where they are measured."""
        return self.features.rows.get("dinov2")

    @property
    def reference_dinov2(self) -> np.ndarray | None:
        """The same of held-out images, (M, D)."""
        return self.reference and self.reference.rows.get("dinov2")

    @property
    def attributes(self) -> np.ndarray | None:
        """Predicted attributes (N, A), where the network knows some."""
        return self.features.rows.get("attributes")

    @property
    def reference_attributes(self) -> np.ndarray | None:
        """The same of held-out images, (M, A)."""
        return self.reference and self.reference.rows.get("attributes")

    @cached_property
    def neighbourhoods(self) -> dict[str, float] | None:
        """Precision, recall, density and coverage, which share their distances."""
        return self.reference and prdc(self.pooled, self.reference_pooled)

    @cached_property
    def nearest(self) -> Nearest:
        """The training images that samples are nearest to, by their features."""
        return self._nearest_training(self.pooled, "samples")

    def training_distances(self, numbers: Sequence[int]) -> Tensor:
        """Of samples of these numbers to every training image, (n, k), by their features."""
        rows = as_rows(self.pooled[numbers], "samples")
        known = as_rows(self._training_pooled, "training images")
        mirrored = self._mirrored_pooled
        if mirrored is not None:
            mirrored = as_rows(mirrored, "mirrored training images")
        return either_squared(rows, known, mirrored).sqrt()

    @property
    def held_out_distances(self) -> Tensor | None:
        """Of each held-out image to the nearest training image, (M,)."""
        if self.reference is None:
            return None
        return self._nearest_training(self.reference_pooled, "held-out images").distances[:, 0]

    @property
    def domain(self) -> np.ndarray | None:
        """Probabilities (N, domains), where the network tells domains apart."""
        return self.features.rows.get("domain")

    @property
    def domain_place(self) -> int | None:
        """Which of the domains is the target's.

        Raises:
            UserError: none of them.
        """
        domain, known = self.spec["domain"], self.extractor.domains
        if domain is None or not known:
            return None
        if domain not in known:
            raise UserError(
                f"domain {domain!r} is unknown to the feature network; it knows {', '.join(known)}"
            )
        return known.index(domain)

    @property
    def lpips_within(self) -> list[float] | None:
        """Mean LPIPS within the cluster of each training image."""
        if len(self.training) > FEW:
            return None
        rules = IntraLpips(**self.spec["intra_lpips"])
        rows = self.perceptual_batches(self.samples, self.progress, rules.unit_range)
        known = torch.cat(list(self.perceptual_batches(self.training)))
        return within_clusters(rows, known, rules.members, rules.small_clusters == "skip")

    @property
    def _training_pooled(self) -> np.ndarray:
        if len(self.training_features) != len(self.training):
            raise UserError(
                f"training images: {len(self.training)} images, but features of "
                f"{len(self.training_features)}; compute them again"
            )
        return self.training_features["pooled"]

    @property
    def _mirrored_pooled(self) -> np.ndarray | None:
        """Of the training images' mirror images; None of too many to look for mirrored copies."""
        if len(self.training) > FEW:
            return None
        if MIRRORED not in self.training_features.rows:
            raise UserError(
                f"{self.spec['training_features']}: nothing of the mirror images; compute them "
                "again: unidad features --mirrored"
            )
        return self.training_features[MIRRORED]

    def _nearest_training(self, rows: Rows, what: str) -> Nearest:
        return nearest_of(rows, self._training_pooled, what, self._mirrored_pooled)
