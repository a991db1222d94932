"""Data folders of a user's own images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unidad.config.images import Crop
from unidad.data.contact_sheet import TILE
from unidad.data.folder import load_folder, printable, show_cuts
from unidad.data.image_set import ImageSet
from unidad.data.prepared import (
    REFERENCE,
    SHEET_IMAGES,
    TRAIN,
    Part,
    ascending,
    shots_file,
    write_folder,
)
from unidad.data.recipes import OwnSource, OwnTarget
from unidad.errors import UserError
from unidad.files import sha256

log = logging.getLogger(__name__)


def prepare_target(out: str | Path, settings: OwnTarget) -> dict[str, Any]:
    """Make a target of a user's own images: ``shots{k}.npz``, and ``reference.npz`` if given.

    The k-shot set is the first k images in the natural order of their names, or as the settings
    name them. Each also lies as
    PNG files in ``shots{k}/``, as the networks see them. An earlier ``reference.npz`` in `out` is
    removed where no reference is given; where it is the same folder again, it is the images that
    are no shots.

    Args:
        out: the folder to fill.
        settings: folders, sizes and resolution.

    Returns:
        The manifest, as written to ``manifest.json``; its "reference" is null without a reference.

    Raises:
        UserError: a folder has problems (`load_folder`), has fewer images than shots, or not those
            that are named, or is `out`; a reference image is a training image. One line for each
            problem.
    """
    folder, reference = settings.folder, settings.reference
    resolution, shots = settings.resolution, ascending(settings.shots)
    _refuse_to_mix(out, folder)
    same = reference is not None and Path(reference).resolve() == Path(folder).resolve()
    whole = _loaded(Path(folder), resolution, unique=not same, crop=settings.crop)
    whole = _named_first(whole, folder, settings.shots_files)
    parts = _own_shots(whole, folder, shots, settings.shots_files)
    largest = parts[shots_file(shots[-1])]
    if reference is not None:
        held_out = (
            whole
            if same
            else _loaded(Path(reference), resolution, unique=False, crop=settings.crop)
        )
        overlap = "drop" if same else settings.shots_in_reference
        parts[REFERENCE] = _without_shots(held_out, largest, reference, overlap)
    names = [original["name"] for original in largest.origin["originals"][:SHEET_IMAGES]]
    cuts = show_cuts(folder, names, max(TILE, resolution), settings.crop)
    more = {} if cuts is None else {f"cut ({settings.crop})": cuts}
    return write_folder(Path(out), parts, _about(resolution, settings.crop), more)


def prepare_source(out: str | Path, settings: OwnSource) -> dict[str, Any]:
    """Make the source domain of a user's own images: ``train.npz``, and ``reference.npz`` if given.

    Arguments, result and errors are those of `prepare_target`.
    """
    _refuse_to_mix(out, settings.folder)
    resolution, reference = settings.resolution, settings.reference
    parts = {TRAIN: _loaded(Path(settings.folder), resolution, settings.images, unique=False)}
    if reference is not None:
        held_out = _loaded(Path(reference), resolution, unique=False)
        parts[REFERENCE] = _without_shots(held_out, parts[TRAIN], reference)
    return write_folder(Path(out), parts, _about(resolution))


def _loaded(
    folder: Path,
    resolution: int,
    limit: int | None = None,
    unique: bool = True,
    crop: Crop = "centre",
) -> Part:
    images, names = load_folder(folder, resolution, limit, unique, crop)
    originals = [{"name": name, "sha256": sha256(folder / name)} for name in names]
    return Part(images, {"originals": originals})


def _named_first(whole: Part, folder: str, named: Sequence[str] | None) -> Part:
    """The images, those named first and in that order."""
    if named is None:
        return whole
    originals = whole.origin["originals"]
    numbers = {original["name"]: number for number, original in enumerate(originals)}
    missing = [name for name in named if name not in numbers]
    if missing:
        raise UserError(
            "\n".join(
                f"{printable(folder)}: no image {printable(name)} in this folder; "
                "correct 'shots_files'"
                for name in missing
            )
        )
    order = dict.fromkeys([*map(numbers.get, named), *range(len(originals))])
    images = ImageSet(whole.images.images[list(order)])
    return Part(images, {"originals": [originals[number] for number in order]})


def _own_shots(
    whole: Part, folder: str, shots: Sequence[int], named: Sequence[str] | None
) -> dict[str, Part]:
    """The first k images for each k of `shots`, which is sorted."""
    if named is not None and len(named) < shots[-1]:
        raise UserError(
            f"shots_files: {len(named)} names, but {shots[-1]} shots are asked for; name more or "
            "lower 'shots'"
        )
    if len(whole.images) < shots[-1]:
        raise UserError(
            f"{printable(folder)}: {len(whole.images)} images, but {shots[-1]} shots are asked "
            "for; add images or lower 'shots'"
        )
    return {
        shots_file(k): Part(
            ImageSet(whole.images.images[:k]), {"originals": whole.origin["originals"][:k]}
        )
        for k in shots
    }


def _refuse_to_mix(out: str | Path, folder: str) -> None:
    if Path(out).resolve() == Path(folder).resolve():
        raise UserError(
            f"{printable(folder)}: your images would be mixed with results; write elsewhere"
        )


def _without_shots(held_out: Part, shots: Part, reference: str, overlap: str = "refuse") -> Part:
    """The held-out images, none of them a training image as the networks see it."""
    training = {
        pixels.tobytes(): original["name"]
        for pixels, original in zip(shots.images.images, shots.origin["originals"], strict=True)
    }
    common = {
        index: training[pixels.tobytes()]
        for index, pixels in enumerate(held_out.images.images)
        if pixels.tobytes() in training
    }
    originals = held_out.origin["originals"]
    if common and (overlap == "refuse" or len(common) == len(originals)):
        raise UserError(
            "\n".join(
                f"{printable(reference)}: {printable(originals[index]['name'])} is also a training "
                f"image ({printable(name)}); take it out of the reference"
                for index, name in common.items()
            )
        )
    if common:
        log.warning(f"{printable(reference)}: {len(common)} training images are left out of it")
    kept = [index for index in range(len(originals)) if index not in common]
    images = ImageSet(held_out.images.images[kept])
    return Part(images, {"originals": [originals[index] for index in kept]})


def _about(resolution: int, crop: Crop = "centre") -> dict[str, Any]:
    unknown = {"kind": "folder", "domain": None, "seed": None}
    cut = {} if crop == "centre" else {"crop": crop}
    return unknown | cut | {"resolution": resolution, "attributes": []}
