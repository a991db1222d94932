"""Folders of the models and networks that ship with the package."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
SHIPPED_SOURCE_TEACHER = WEIGHTS / "synthetic-faces-source"
SHIPPED_FEATURE_NETWORK = WEIGHTS / "synthetic-faces-features"
SHIPPED_SCENE_SOURCE = WEIGHTS / "synthetic-scenes-source"
SHIPPED_SCENE_STUDENT = WEIGHTS / "synthetic-scenes-student"
SHIPPED_SCENE_NETWORK = WEIGHTS / "synthetic-scenes-features"
SHIPPED_CLIP = WEIGHTS / "synthetic-scenes-clip"
"""That fidelity is measured with."""
SHIPPED_ALIGNMENT_CLIP = WEIGHTS / "synthetic-scenes-alignment"
"""Another one, that EchoDistill trains with, and whose text encoder the source models have."""
