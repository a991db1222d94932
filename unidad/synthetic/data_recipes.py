"""Settings of data folders that are rendered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unidad.config.images import BabyShare
from unidad.config.section import NUMBER, Count, Section, Seed, Unit
from unidad.data.recipes import Shots

RANGE = 1_000_000
"""Synthetic images: training from index 0, the others from here on; so no two sets share one."""
Indexed = Annotated[int, Field(ge=1, le=RANGE), NUMBER]


class Rendered(Section):
    """What all rendered folders share."""

    resolution: Count = 32
    """Of the images, in pixels: 16 to 128."""
    seed: Seed = 0
    """Of the renderer; a folder's sets differ in their index ranges."""


class Domain(Rendered):
    """A rendered domain."""

    reference_images: Indexed = 5_000
    """Size of the held-out set that metrics measure against."""
    held_out_images: Indexed = 2_000
    """Size of a further held-out set, a control of the metrics."""


class Faces(Domain):
    """The source domain of few-shot generation."""

    domain: Literal["faces"]
    """faces, babies, sunglasses, portraits, cats or scenes."""
    images: Indexed = 50_000
    """Size of the source set."""
    babies: BabyShare = 0.05
    """Share of baby-like source faces."""
    sunglasses: Unit = 0.05
    """Share of source faces with sunglasses."""


class CaptionedScenes(Domain):
    """The source domain of personalisation."""

    domain: Literal["scenes"]
    """Captioned scenes."""
    images: Indexed = 50_000
    """Size of the source set."""


class FaceTarget(Domain):
    """A target domain of few-shot generation."""

    domain: str
    """One of `unidad.synthetic.faces.DOMAINS`."""
    shots: Shots = (1, 5, 10)
    """Sizes of the training sets."""


class Subject(Rendered):
    """A subject of personalisation: its photos, and true pictures for every prompt."""

    subject: str
    """backpack, cat, ...: a subject of the synthetic scenes."""
    prompts: tuple[str, ...]
    """With the rare token; what the held-out pictures show."""
    images_per_prompt: Count = 4
    """Held-out pictures of each prompt, in either set."""
    shots: Shots = (5,)
    """Sizes of the training sets."""
