"""Models and networks put in place, each checked first: what a folder is decides how."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unidad.config.evaluation import PHOTO, PublishedFeatures
from unidad.errors import UserError
from unidad.features.extractors import (
    CONFIG,
    PUBLISHED,
    load_extractor,
    save_photo,
    save_published,
)
from unidad.files import atomic_folder, read_json
from unidad.models.adm import import_adm
from unidad.models.recipes import AdmImport, Placing, is_checkpoint
from unidad.networks.describe import describe_model
from unidad.networks.registry import load_backbone, model_folder
from unidad.networks.text_to_image import TextToImageUNet
from unidad.networks.text_to_image_folder import (
    load_codec,
    load_text_encoder,
)
from unidad.shipped import origin_folder

PIPELINE_PARTS = ("model_index.json", "unet", "vae", "text_encoder", "tokenizer", "scheduler")


def place(settings: Placing, out: Path, command: str = "") -> None:
    """Check what an origin names, and write it into a folder of the experiment.

    An unconditional model becomes an exported, float32, many-step one; a text-to-image pipeline's
    large files become hard links; a network that images are measured with is copied. Of published
    networks a note is made: a ``config.json`` that says which; their weights are looked for when
    first needed.

    Args:
        settings: the origin; the resolution is a checkpoint's, mode and trunk are for `published`.
        out: folder to write.
        command: what was typed, for the card of an imported checkpoint.

    Raises:
        UserError: nothing is there, or a file is missing, unreadable or of another architecture.
    """
    kind, _, name = settings.origin.partition(":")
    if kind == PUBLISHED:
        which = {key: getattr(settings, key) for key in PublishedFeatures.model_fields}
        with atomic_folder(out) as partial:
            save_published(name or PublishedFeatures(**which), partial)
    elif settings.origin == PHOTO:
        open_origin(PHOTO)
        with atomic_folder(out) as partial:
            save_photo(partial)
    elif is_checkpoint(settings.origin):
        checkpoint = AdmImport(resolution=settings.resolution)
        import_adm(Path(settings.origin), out, checkpoint, command)
    else:
        folder = origin_folder(settings.origin)
        _kind(folder).place(folder, out)


def open_origin(origin: str) -> None:
    """Open a model or network on this machine as `place` does, and write nothing; raises likewise.

    Args:
        origin: as in `Placing`, but for published ones.
    """
    if origin == PHOTO:
        from unidad.features.photo import load_photo_network  # of an optional extra

        load_photo_network()
    elif is_checkpoint(origin):
        describe_model(Path(origin))
    else:
        folder = origin_folder(origin)
        _kind(folder).open(folder)


@dataclass(frozen=True)
class Kind:
    """A kind of folder.

    Attributes:
        open: reads all of it, and complains.
        place: does so, and writes it into another.
    """

    open: Callable[[Path], object]
    place: Callable[[Path, Path], None]


def _kind(folder: Path) -> Kind:
    """What a folder holds.

    Raises:
        UserError: no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of a model or a network; check the path")
    if (folder / "vae").is_dir() and model_folder(folder).name == TextToImageUNet.FOLDER:
        return Kind(_open_text_to_image, _place_text_to_image)
    if (folder / CONFIG).is_file() and "_class_name" not in read_json(folder / CONFIG, ""):
        return Kind(load_extractor, _place_features)
    return Kind(load_backbone, _place_unconditional)


def _place_unconditional(folder: Path, out: Path) -> None:
    load_backbone(folder).save(out)


def _open_text_to_image(folder: Path) -> None:
    load_backbone(folder, codec=load_codec(folder))
    load_text_encoder(folder)


def _place_text_to_image(folder: Path, out: Path) -> None:
    _open_text_to_image(folder)
    with atomic_folder(out) as partial:
        for name in PIPELINE_PARTS:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, partial / name, copy_function=_link_or_copy)
            else:
                shutil.copyfile(folder / name, partial / name)


def _link_or_copy(source: str, target: str) -> None:
    """Gigabytes are not written twice where the file system can help it."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copyfile(source, target)


def _place_features(folder: Path, out: Path) -> None:
    """A network that images are measured with, to the bit."""
    load_extractor(folder)
    with atomic_folder(out) as partial:
        shutil.copytree(folder, partial, dirs_exist_ok=True)
