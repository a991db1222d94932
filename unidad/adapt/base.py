"""The model that is adapted: what it is, and which shipped experiment it is trained like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unidad.adapt.workflow import home
from unidad.config.reading import mapping, read_yaml
from unidad.errors import UserError
from unidad.experiment.extend import extended
from unidad.files import read_json
from unidad.models.recipes import is_checkpoint
from unidad.networks.folder import INDEX
from unidad.networks.registry import load_backbone
from unidad.networks.text_to_image_folder import is_text_to_image
from unidad.shipped import SHIPPED_SCENE_SOURCE, SHIPPED_SOURCE_STUDENT, SHIPPED_SOURCE_TEACHER

LARGE = 128
"""Pixels from which the papers' settings fit better than the embedded benchmark's."""


@dataclass(frozen=True)
class Base:
    """A base model.

    Attributes:
        folder: of the model.
        shipped: whether it came with the package, and so has a few-step student.
        reads_text: whether it is a text-to-image model.
        resolution: of its images, in pixels.
    """

    folder: Path
    shipped: bool
    reads_text: bool
    resolution: int

    @property
    def drawing(self) -> Path:
        """The model that shows what the base draws: its few-step student, where one ships."""
        return SHIPPED_SOURCE_STUDENT if self.shipped else self.folder

    def recipe(self) -> dict:
        """The shipped experiment whose settings fit, as a mapping without ``extends``."""
        if self.reads_text:
            name = "configs/sdp.yaml" if self.resolution < LARGE else "configs/paper_sdp.yaml"
        else:
            name = "config.yaml" if self.resolution < LARGE else "configs/paper_fsig.yaml"
        path = home() / name
        return extended(mapping(read_yaml(path, "experiment"), name), name, path.parent)


def find_base(given: Path | None, class_word: str | None) -> Base:
    """The base that was asked for; without one, the shipped one of faces, or of scenes.

    Args:
        given: folder of a model.
        class_word: what the subject of the photos is, for a text-to-image model.

    Raises:
        UserError: no such model, or one that the class word does not fit.
    """
    if given is None:
        if class_word is not None:
            return Base(SHIPPED_SCENE_SOURCE, True, True, 32)
        return Base(SHIPPED_SOURCE_TEACHER, True, False, 64)
    if is_checkpoint(str(given)):
        raise UserError(f"{given}: a checkpoint; `unidad import-adm {given} --out FOLDER` first")
    if not given.is_dir():
        raise UserError(f"--base: {given}: no such folder of a model; check the path")
    if (given / INDEX).is_file() and is_text_to_image(given):
        if class_word is None:
            raise UserError(
                f"--base: {given} reads text; say what is in the photos: --class-word cat"
            )
        return Base(given, False, True, _latent_resolution(given))
    if class_word is not None:
        raise UserError(f"--class-word: {given} reads no text; leave the word out")
    return Base(given, False, False, load_backbone(given).resolution)


def _latent_resolution(folder: Path) -> int:
    """Of a text-to-image pipeline's images, in pixels."""
    remedy = "a text-to-image folder has it"
    side = read_json(folder / "unet/config.json", remedy).get("sample_size")
    blocks = read_json(folder / "vae/config.json", remedy).get("block_out_channels", ())
    if not isinstance(side, int) or not blocks:
        raise UserError(f"{folder}/unet/config.json: sample_size: missing; it says the resolution")
    return side * 2 ** (len(blocks) - 1)
