"""Settings of data folders made of photographs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unidad.config.images import Crop
from unidad.config.section import DISTINCT, Count, Section

Shots = Annotated[tuple[Count, ...], Field(min_length=1)]


class OwnImages(Section):
    """What a source and a target of one's own share."""

    folder: str
    """Your own images."""
    reference: str | None = None
    """Held-out images of the same kind, to measure against."""
    resolution: Count = 32
    """Of the images, in pixels."""


class OwnTarget(OwnImages):
    """A target: the first images of a folder, in the natural order of their names."""

    shots: Shots = (1, 5, 10)
    """Sizes of the training sets."""
    shots_in_reference: Literal["refuse", "drop"] = "refuse"
    """Training images among the held-out ones: an error, or left out."""
    shots_files: Annotated[tuple[str, ...], Field(min_length=1), DISTINCT] | None = None
    """Names of the files that are the training images, in this order, instead of the first ones."""
    crop: Crop = "centre"
    """Which square of a photo that is none: centre, smart, or pad for all of it."""


class LfwTarget(Section):
    """A target of real faces, from scikit-image's part of Labeled Faces in the Wild."""

    domain: Literal["lfw"]
    """lfw: a hundred grey faces, of which those after the last shot are held out."""
    resolution: Count = 32
    """Of the images, in pixels; the faces have 25 and are enlarged."""
    shots: Shots = (1, 5, 10)
    """Sizes of the training sets."""


class OwnSource(OwnImages):
    """The source domain."""

    images: Count
    """Size of the source set: the first so many, in the natural order of their names."""


class Unpacking(Section):
    """What is taken out of an archive."""

    archive: str
    """Path: .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz."""
    sha256: str | None = None
    """What the archive's SHA-256 must be; any, if it is not given."""
    inside: str = ""
    """Folder of the archive to take images from; all of it, if it is not given."""
