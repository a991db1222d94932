"""A prepared data folder: image sets, the shots as pictures, a contact sheet, a manifest.

The manifest is removed first and written last, so a folder that has one is complete. Nothing in a
folder depends on time or place: same inputs, same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from unidad.data.contact_sheet import COLUMNS, contact_sheet, write_png
from unidad.data.folder import printable
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.files import sha256, write_json

TRAIN, REFERENCE, HELD_OUT = "train.npz", "reference.npz", "held_out.npz"
MANIFEST, SHEET = "manifest.json", "contact_sheet.png"
SHEET_IMAGES = 30


@dataclass(frozen=True)
class Part:
    """One image set and where its images come from, as the manifest tells it."""

    images: ImageSet
    origin: dict[str, Any]


def write_folder(
    out: Path,
    parts: dict[str, Part],
    about: dict[str, Any],
    shown: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> dict[str, Any]:
    """Write a data folder; returns its manifest, as written to ``manifest.json``.

    Args:
        out: the folder to fill. An earlier reference or held-out set does not stay.
        parts: name of a file → its images: ``train.npz`` or ``shots{k}.npz``, ``reference.npz``,
            ``held_out.npz``. The shots also lie as PNG files in ``shots{k}/``.
        about: what the manifest says of all of them.
        shown: further rows of the contact sheet, label → uint8 (N, H, W, 3).
    """
    (out / MANIFEST).unlink(missing_ok=True)
    for name in (REFERENCE, HELD_OUT):
        (out / name).unlink(missing_ok=True)
    files = {}
    for name, part in parts.items():
        part.images.save(out / name)
        files[name] = {"sha256": sha256(out / name), "images": len(part.images), **part.origin}
        if name.startswith("shots"):
            files |= _write_pictures(out, name.removesuffix(".npz"), part.images.images)
    write_png(out / SHEET, contact_sheet({**_sheet_rows(parts), **shown}))
    files[SHEET] = {"sha256": sha256(out / SHEET)}
    roles = {"train": _largest_training_set(parts)} | {
        Path(name).stem: name if name in parts else None for name in (REFERENCE, HELD_OUT)
    }
    manifest = about | roles | {"files": files}
    write_json(out / MANIFEST, manifest)
    return manifest


def write_overview(out: str | Path, folders: Iterable[str | Path]) -> dict[str, Any]:
    """One contact sheet and one manifest of several prepared folders, named by their last part.

    Args:
        out: the folder that gets ``contact_sheet.png`` and ``manifest.json``; none of `folders`.
        folders: prepared ones, in the order of the sheet.

    Returns:
        Folder name → its manifest, as written to ``manifest.json``.

    Raises:
        UserError: a folder was not prepared, or not to the end.
    """
    rows, manifests = {}, {}
    for folder in map(Path, folders):
        manifests[folder.name] = manifest = read_manifest(folder)
        for file in filter(None, (manifest["train"], manifest["reference"])):
            images = ImageSet.load(folder / file).images
            rows[f"{folder.name}: {Path(file).stem}"] = images[:COLUMNS]
    out = Path(out)
    write_png(out / SHEET, contact_sheet(rows))
    write_json(out / MANIFEST, manifests)
    return manifests


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a prepared folder.

    Raises:
        UserError: there is none, or it is not JSON.
    """
    path = Path(folder) / MANIFEST
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{printable(path)}: no such file; run `unidad prepare` first") from None
    except ValueError as error:
        raise UserError(
            f"{printable(path)}: not JSON ({error}); run `unidad prepare` again"
        ) from None


def shots_file(shots: int) -> str:
    """Name of the image set of so many training images."""
    return f"shots{shots}.npz"


def ascending(shots: Sequence[int]) -> list[int]:
    """Numbers of training images, each once."""
    return sorted(set(shots))


def _largest_training_set(parts: dict[str, Part]) -> str:
    return max(
        (name for name in parts if name not in (REFERENCE, HELD_OUT)),
        key=lambda name: len(parts[name].images),
    )


def _write_pictures(out: Path, name: str, images: np.ndarray) -> dict[str, dict[str, Any]]:
    """``<name>/000.png``, ...; returns their part of the manifest."""
    files = {}
    for i, pixels in enumerate(images):
        file = f"{name}/{i:03d}.png"
        write_png(out / file, Image.fromarray(pixels))
        files[file] = {"sha256": sha256(out / file), "images": 1}
    return files


def _sheet_rows(parts: dict[str, Part]) -> dict[str, np.ndarray]:
    """Some images of each set; the smaller shots are within the largest."""
    shown = [_largest_training_set(parts), *(n for n in (REFERENCE, HELD_OUT) if n in parts)]
    return {
        f"{Path(name).stem} ({len(parts[name].images)})": parts[name].images.images[:SHEET_IMAGES]
        for name in shown
    }
