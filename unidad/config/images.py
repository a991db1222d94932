"""Images of the source and of the targets: rendered, a folder, or an archive."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from unidad.config.section import DISTINCT, NUMBER, Images, Section, Text, Unit
from unidad.errors import UserError
from unidad.files import local_path

SUBJECTS = {
    **{name: name for name in ("backpack", "boot", "cat", "clock", "dog", "teapot", "toy", "vase")},
    **{"bear_plushie": "stuffed animal", "cat2": "cat", "dog2": "dog"},
}
"""Subjects of the synthetic scenes → their class words."""
LIVE_CLASSES = ("cat", "dog")
RENDERED_UP_TO = 128
"""Largest resolution of the synthetic images, in pixels."""
ARCHIVE_NAME = re.compile(r"(?i)\.(zip|tar|tgz|tar\.(gz|bz2|xz))$")


class Archive(Section):
    """Images in a zip or tar archive, on this machine or on a server."""

    url: Text
    """Its address (http, https, file), or its path."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    """SHA-256 of the archive; a download must have one. `sha256sum` and `unidad fetch` tell it."""
    inside: str = ""
    """The archive's folder to take images from, with its subfolders; all of them by default."""

    @property
    def is_remote(self) -> bool:
        """Whether it must be downloaded."""
        return local_path(self.url) is None

    @model_validator(mode="after")
    def _checked_download(self) -> Archive:
        try:
            remote = self.is_remote
        except UserError as error:
            raise ValueError(str(error)) from None
        if remote and self.sha256 is None:
            raise ValueError(f"a download needs its hash: {{url: {self.url}, sha256: ...}}")
        return self


def _as_archive(value: Any) -> Any:
    """An archive given by its path or address alone, in the long form."""
    named = isinstance(value, str) and (ARCHIVE_NAME.search(value) or "://" in value)
    return {"url": value} if named else value


def _tag_of_images(value: Any) -> str:
    return "a path" if isinstance(value, str) else "an archive"


Origin = Annotated[
    Annotated[Text, Tag("a path")] | Annotated[Archive, Tag("an archive")],
    Discriminator(_tag_of_images),
    BeforeValidator(_as_archive),
]
"""A folder, or an archive: its path, or `url`, `sha256` and `inside`."""


Crop: TypeAlias = Literal["centre", "smart", "pad"]
"""Which square of a photo that is none."""
BabyShare = Annotated[float, Field(ge=0, le=0.5), NUMBER]
"""As many faces again lie between adults and babies, so half of them is the most."""


class SourceData(Section):
    """The source domain's images: rendered faces, or a folder of one's own."""

    images: Images = 50000
    """Images of the source set; of a folder the first so many."""
    babies: BabyShare = 0.05
    """Share of baby-like source faces: rare modes that make `babies` a near target."""
    sunglasses: Unit = 0.05
    """Share of source faces with sunglasses, which makes `sunglasses` a near target."""
    folder: Origin | None = None
    """A folder or archive of images in place of rendered faces."""
    reference: Origin | None = None
    """Held-out images of the same kind, to measure against (with `folder`)."""

    @property
    def is_rendered(self) -> bool:
        """Whether the images are drawn by the renderer, so that there are as many as one wants."""
        return self.folder is None

    @model_validator(mode="after")
    def _own_reference(self) -> SourceData:
        if self.reference is not None and self.folder is None:
            raise ValueError("'reference' goes with 'folder'")
        return self


class Target(Section):
    """A target domain, or in personalisation a subject: synthetic, or a folder of one's own."""

    domain: Literal["babies", "sunglasses", "portraits", "cats", "lfw"] | None = None
    """A synthetic domain of the embedded benchmark, or lfw: a hundred real faces that scikit-image
    contains, grey and small."""
    subject: Literal[tuple(SUBJECTS)] | None = None
    """A subject of the synthetic scenes (personalisation)."""
    class_word: Text | None = None
    """What the subject in one's own folder is, in a word that the tokenizer knows: cat, stuffed
    animal."""
    word_start: Text | None = None
    """Where the word that EchoDistill learns starts: as these words, such as corgi; null: as
    token_start says."""
    live: bool | None = None
    """Whether the subject in one's own folder is a living one, which decides its prompts; null:
    cats and dogs are."""
    folder: Origin | None = None
    """A folder or archive of images."""
    reference: Origin | None = None
    """Held-out images of the same kind, to measure against (with `folder`)."""
    shots_in_reference: Literal["refuse", "drop"] = "refuse"
    """Training images among the held-out ones: an error, or left out, as published sets want it."""
    shots_files: Annotated[tuple[Text, ...], Field(min_length=1), DISTINCT] | None = None
    """Names of the folder's files that are the shots, in this order; null: the first ones by name.
    """
    crop: Crop = "centre"
    """Which square of an image that is none: the middle; smart: without bars of one colour, the
    square with the most detail; pad: all of it, on a ground of the mean colour of its edge."""
    near: bool = False
    """Whether the target lies inside the source's support: decides dmd_target_share auto."""

    @property
    def is_rendered(self) -> bool:
        """Whether the images are drawn by the renderer, so that there are as many as one wants."""
        return self.folder is None and self.domain != "lfw"

    @model_validator(mode="after")
    def _one_origin(self) -> Target:
        if sum(origin is not None for origin in (self.domain, self.subject, self.folder)) != 1:
            raise ValueError(
                "give one of 'domain', 'subject' (synthetic) and 'folder' (your own images)"
            )
        if self.class_word is not None and self.folder is None:
            raise ValueError("'class_word' goes with 'folder'")
        if self.reference is not None and self.folder is None:
            raise ValueError("'reference' goes with 'folder'")
        if self.shots_files is not None and self.folder is None:
            raise ValueError("'shots_files' goes with 'folder'")
        if self.crop != "centre" and self.folder is None:
            raise ValueError("'crop' goes with 'folder'")
        return self
