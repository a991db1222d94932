"""Data sets of an experiment on disk: source, targets, held-out images, contact sheet, manifest.

Every function fills one folder. The manifest is removed first and written last, so a folder that
has one is complete. Nothing in a folder depends on time or place: same inputs, same bytes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unidad.data.folder import load_folder, printable
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.files import atomic_file, sha256, write_json
from unidad.synthetic.faces import ATTRIBUTES, SourceShares, render
from unidad.synthetic.scenes import render as render_scenes
from unidad.synthetic.scenes import source_scenes

log = logging.getLogger(__name__)

SOURCE_DOMAIN, SCENES_DOMAIN = "faces", "scenes"
TRAIN, REFERENCE, HELD_OUT = "train.npz", "reference.npz", "held_out.npz"
MANIFEST, SHEET = "manifest.json", "contact_sheet.png"

RANGE = 1_000_000
REFERENCE_START = 1 * RANGE
HELD_OUT_START = 2 * RANGE
"""Synthetic images: training from index 0, the others from here; so no two sets share an image."""

DEFAULT_SHARES = SourceShares()
SHEET_COLUMNS = 10
SHEET_IMAGES = 30
TILE = 64
GAP = 4


@dataclass(frozen=True)
class Part:
    """One image set and where its images come from, as the manifest tells it."""

    images: ImageSet
    origin: dict[str, Any]


def prepare(
    out: str | Path,
    *,
    domain: str | None = None,
    subject: str | None = None,
    folder: str | None = None,
    reference: str | None = None,
    shots_in_reference: str = "refuse",
    prompts: Sequence[str] = (),
    images_per_prompt: int = 4,
    shots: Sequence[int] | None = (1, 5, 10),
    resolution: int = 32,
    seed: int = 0,
    images: int = 50_000,
    babies: float = 0.05,
    sunglasses: float = 0.05,
    reference_images: int = 5_000,
) -> dict[str, Any]:
    """Prepare what the keys of a data specification describe; returns the manifest.

    ``domain`` faces or scenes is a source, another one a synthetic target, ``subject`` a synthetic
    subject with ``prompts``, ``folder`` one's own images: a target's, or without ``shots`` the
    source's.

    Raises:
        UserError: not one of domain, subject and folder is given, and as for the functions below.
    """
    if sum(origin is not None for origin in (domain, subject, folder)) != 1:
        raise UserError(
            "give one of a domain, a subject and a folder of images; "
            f"found domain {domain}, subject {subject}, folder {folder}"
        )
    if subject is not None:
        from unidad.data.prepare_subject import prepare_subject

        return prepare_subject(
            out,
            subject,
            prompts=prompts,
            images_per_prompt=images_per_prompt,
            shots=shots,
            resolution=resolution,
            seed=seed,
        )
    if folder is not None and shots is None:
        return prepare_folder_source(
            out, folder, images=images, resolution=resolution, reference=reference
        )
    if folder is not None:
        return prepare_folder_target(
            out,
            folder,
            shots=shots,
            resolution=resolution,
            reference=reference,
            shots_in_reference=shots_in_reference,
        )
    if domain == SCENES_DOMAIN:
        return prepare_scenes(
            out,
            images=images,
            resolution=resolution,
            seed=seed,
            reference_images=reference_images,
        )
    if domain != SOURCE_DOMAIN:
        return prepare_synthetic_target(
            out,
            domain,
            shots=shots,
            resolution=resolution,
            seed=seed,
            reference_images=reference_images,
        )
    return prepare_synthetic_source(
        out,
        images=images,
        resolution=resolution,
        seed=seed,
        shares=SourceShares(babies, sunglasses),
        reference_images=reference_images,
    )


def prepare_synthetic_source(
    out: str | Path,
    *,
    images: int = 20_000,
    resolution: int = 32,
    seed: int = 0,
    shares: SourceShares = DEFAULT_SHARES,
    reference_images: int = 5_000,
    held_out_images: int = 2_000,
) -> dict[str, Any]:
    """Render the source domain: ``train.npz``, ``reference.npz``, ``held_out.npz``.

    Args:
        out: the folder to fill.
        images: size of the training set, indices 0 to images - 1.
        resolution: height and width in pixels, 16 to 128.
        seed: of the renderer; the three sets differ in their index ranges.
        shares: rare modes of the source domain.
        reference_images: size of the set that metrics measure against.
        held_out_images: size of a further set of real images, a control of the metrics.

    Returns:
        The manifest, as written to ``manifest.json``.

    Raises:
        UserError: a size, the seed, the resolution or a share is out of range.
    """
    parts = {
        TRAIN: _rendered("faces", seed, 0, images, resolution, shares),
        REFERENCE: _rendered("faces", seed, REFERENCE_START, reference_images, resolution, shares),
        HELD_OUT: _rendered("faces", seed, HELD_OUT_START, held_out_images, resolution, shares),
    }
    about = _synthetic("faces", seed, resolution) | {"shares": asdict(shares)}
    return write_folder(Path(out), parts, about)


def prepare_scenes(
    out: str | Path,
    *,
    images: int = 50_000,
    resolution: int = 32,
    seed: int = 0,
    reference_images: int = 5_000,
    held_out_images: int = 2_000,
) -> dict[str, Any]:
    """Render captioned source scenes: ``train.npz``, ``reference.npz``, ``held_out.npz``.

    Args:
        out: the folder to fill.
        images: size of the training set, indices 0 to images - 1.
        resolution: height and width in pixels, a multiple of 16 from 16 to 128.
        seed: of the scenes; the three sets differ in their index ranges.
        reference_images: size of the set that metrics measure against.
        held_out_images: size of a further set, a control of the metrics.

    Returns:
        The manifest, as written to ``manifest.json``.

    Raises:
        UserError: a size, the seed or the resolution is out of range.
    """
    parts = {
        TRAIN: _rendered_scenes(seed, 0, images, resolution),
        REFERENCE: _rendered_scenes(seed, REFERENCE_START, reference_images, resolution),
        HELD_OUT: _rendered_scenes(seed, HELD_OUT_START, held_out_images, resolution),
    }
    about = _synthetic(SCENES_DOMAIN, seed, resolution) | {"attributes": []}
    return write_folder(Path(out), parts, about)


def prepare_synthetic_target(
    out: str | Path,
    domain: str,
    *,
    shots: Sequence[int] = (1, 5, 10),
    resolution: int = 32,
    seed: int = 0,
    reference_images: int = 5_000,
    held_out_images: int = 2_000,
) -> dict[str, Any]:
    """Render a target domain: ``shots{k}.npz`` for each k, ``reference.npz``, ``held_out.npz``.

    The k-shot set is indices 0 to k - 1, so the smaller sets are the beginnings of the larger.
    Each also lies as PNG files in ``shots{k}/``, to be looked at.

    Args:
        out: the folder to fill.
        domain: one of `unidad.synthetic.faces.DOMAINS`.
        shots: numbers of training images.
        resolution: height and width in pixels, 16 to 128.
        seed: of the renderer.
        reference_images: size of the set that metrics measure against.
        held_out_images: size of a further set of real images, a control of the metrics.

    Returns:
        The manifest, as written to ``manifest.json``.

    Raises:
        UserError: the domain is unknown, or a number is out of range.
    """
    shots = checked_shots(shots)
    parts = {shots_file(k): _rendered(domain, seed, 0, k, resolution) for k in shots}
    parts[REFERENCE] = _rendered(domain, seed, REFERENCE_START, reference_images, resolution)
    parts[HELD_OUT] = _rendered(domain, seed, HELD_OUT_START, held_out_images, resolution)
    return write_folder(Path(out), parts, _synthetic(domain, seed, resolution))


def prepare_folder_target(
    out: str | Path,
    folder: str | Path,
    *,
    shots: Sequence[int] = (1, 5, 10),
    resolution: int = 32,
    reference: str | Path | None = None,
    shots_in_reference: str = "refuse",
) -> dict[str, Any]:
    """Make a target of a user's own images: ``shots{k}.npz``, and ``reference.npz`` if given.

    The k-shot set is the first k images in the natural order of their names. Each also lies as
    PNG files in ``shots{k}/``, as the networks see them. An earlier ``reference.npz`` in `out` is
    removed where no reference is given.

    Args:
        out: the folder to fill.
        folder: the user's images.
        shots: numbers of training images.
        resolution: height and width in pixels.
        reference: a second folder with other images of the same kind, to measure against; given
            the first one again, its images that are no shots.
        shots_in_reference: training images there are an error (``refuse``), or left out (``drop``).

    Returns:
        The manifest, as written to ``manifest.json``; its "reference" is null without a reference.

    Raises:
        UserError: a folder has problems (`load_folder`), has fewer images than shots, or is `out`;
            a reference image is a training image. One line for each problem.
    """
    shots = checked_shots(shots)
    _refuse_to_mix(out, folder)
    same = reference is not None and Path(reference).resolve() == Path(folder).resolve()
    whole = _loaded(Path(folder), resolution, unique=not same)
    parts = _own_shots(whole, folder, shots)
    if reference is not None:
        largest = parts[shots_file(shots[-1])]
        held_out = whole if same else _loaded(Path(reference), resolution, unique=False)
        overlap = "drop" if same else shots_in_reference
        parts[REFERENCE] = _without_shots(held_out, largest, reference, overlap)
    return write_folder(Path(out), parts, _own(resolution))


def prepare_folder_source(
    out: str | Path,
    folder: str | Path,
    *,
    images: int = 50_000,
    resolution: int = 32,
    reference: str | Path | None = None,
) -> dict[str, Any]:
    """Make the source domain of a user's own images: ``train.npz``, and ``reference.npz`` if given.

    Args:
        out: the folder to fill.
        folder: the images.
        images: take the first so many, in the natural order of their names.
        resolution: height and width in pixels.
        reference: a second folder with other images of the same kind, to measure against.

    Returns:
        The manifest, as written to ``manifest.json``.

    Raises:
        UserError: as for `prepare_folder_target`.
    """
    _refuse_to_mix(out, folder)
    parts = {TRAIN: _loaded(Path(folder), resolution, images, unique=False)}
    if reference is not None:
        held_out = _loaded(Path(reference), resolution, unique=False)
        parts[REFERENCE] = _without_shots(held_out, parts[TRAIN], reference)
    return write_folder(Path(out), parts, _own(resolution))


def prepare_overview(out: str | Path, folders: Iterable[str | Path]) -> dict[str, Any]:
    """One contact sheet and one manifest of several prepared folders, named by their last part.

    Args:
        out: the folder that gets ``contact_sheet.png`` and ``manifest.json``; none of `folders`.
        folders: what the other functions filled, in the order of the sheet.

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
            rows[f"{folder.name}: {Path(file).stem}"] = images[:SHEET_COLUMNS]
    out = Path(out)
    _write_png(out / SHEET, contact_sheet(rows))
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


def contact_sheet(rows: Mapping[str, np.ndarray], columns: int = SHEET_COLUMNS) -> Image.Image:
    """Images in labelled rows on white, each row going on below where it is longer than a line.

    Args:
        rows: label → uint8 (N, H, W, 3), N at least 1; small images are enlarged without blur.
        columns: images in a line.
    """
    tile = max(TILE, *(images.shape[1] for images in rows.values()))
    lines = [
        ("" if start else label, images[start : start + columns])
        for label, images in rows.items()
        for start in range(0, len(images), columns)
    ]
    font = ImageFont.load_default(size=14)
    left = int(max(font.getlength(label) for label in rows)) + 3 * GAP
    pitch = tile + GAP
    widest = max(len(images) for _, images in lines)
    sheet = Image.new("RGB", (left + widest * pitch, GAP + len(lines) * pitch), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (label, images) in enumerate(lines):
        top = GAP + row * pitch
        pen.text((GAP, top + tile // 2), label, "black", font, anchor="lm")
        for column, pixels in enumerate(images):
            image = Image.fromarray(pixels).resize((tile, tile), Image.Resampling.NEAREST)
            sheet.paste(image, (left + column * pitch, top))
    return sheet


def _rendered(
    domain: str,
    seed: int,
    start: int,
    count: int,
    resolution: int,
    shares: SourceShares = DEFAULT_SHARES,
) -> Part:
    indices = _indices(domain, start, count)
    images = render(domain, seed, indices, resolution, shares)
    return Part(images, {"indices": [indices.start, indices.stop]})


def _rendered_scenes(seed: int, start: int, count: int, resolution: int) -> Part:
    indices = _indices(SCENES_DOMAIN, start, count)
    scenes = source_scenes(seed, indices)
    images = ImageSet(render_scenes(scenes, resolution), captions=tuple(scenes.captions()))
    return Part(images, {"indices": [indices.start, indices.stop]})


def _indices(domain: str, start: int, count: int) -> range:
    if not 1 <= count <= RANGE:
        raise UserError(f"{count} images of {domain}: must lie between 1 and {RANGE}")
    return range(start, start + count)


def _loaded(folder: Path, resolution: int, limit: int | None = None, unique: bool = True) -> Part:
    images, names = load_folder(folder, resolution, limit, unique)
    originals = [{"name": name, "sha256": sha256(folder / name)} for name in names]
    return Part(images, {"originals": originals})


def _own_shots(whole: Part, folder: str | Path, shots: list[int]) -> dict[str, Part]:
    """The first k images for each k of `shots`, which is sorted."""
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


def _refuse_to_mix(out: str | Path, folder: str | Path) -> None:
    if Path(out).resolve() == Path(folder).resolve():
        raise UserError(
            f"{printable(folder)}: your images would be mixed with results; write elsewhere"
        )


def _without_shots(
    held_out: Part, shots: Part, reference: str | Path, overlap: str = "refuse"
) -> Part:
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


def _own(resolution: int) -> dict[str, Any]:
    return {
        "kind": "folder",
        "domain": None,
        "seed": None,
        "resolution": resolution,
        "attributes": [],
    }


def _synthetic(domain: str, seed: int, resolution: int) -> dict[str, Any]:
    return {
        "kind": "synthetic",
        "domain": domain,
        "seed": seed,
        "resolution": resolution,
        "attributes": list(ATTRIBUTES),
    }


def checked_shots(shots: Sequence[int]) -> list[int]:
    """Numbers of training images, each once, ascending; refuses none and those below 1."""
    if not shots or min(shots) < 1:
        raise UserError(f"shots {list(shots)}: give one or more numbers of at least 1")
    return sorted(set(shots))


def shots_file(shots: int) -> str:
    """Name of the image set of so many training images."""
    return f"shots{shots}.npz"


def write_folder(out: Path, parts: dict[str, Part], about: dict[str, Any]) -> dict[str, Any]:
    """Write the image sets, the shots as PNG files, the contact sheet and, last, the manifest."""
    (out / MANIFEST).unlink(missing_ok=True)
    for name in (REFERENCE, HELD_OUT):
        (out / name).unlink(missing_ok=True)
    files = {}
    for name, part in parts.items():
        part.images.save(out / name)
        files[name] = {"sha256": sha256(out / name), "images": len(part.images), **part.origin}
        if name.startswith("shots"):
            files |= _write_pictures(out, name.removesuffix(".npz"), part.images.images)
    _write_png(out / SHEET, contact_sheet(_sheet_rows(parts)))
    files[SHEET] = {"sha256": sha256(out / SHEET)}
    roles = {"train": _largest_training_set(parts)} | {
        Path(name).stem: name if name in parts else None for name in (REFERENCE, HELD_OUT)
    }
    manifest = about | roles | {"files": files}
    write_json(out / MANIFEST, manifest)
    return manifest


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
        _write_png(out / file, Image.fromarray(pixels))
        files[file] = {"sha256": sha256(out / file), "images": 1}
    return files


def _sheet_rows(parts: dict[str, Part]) -> dict[str, np.ndarray]:
    """Some images of each set; the smaller shots are within the largest."""
    shown = [_largest_training_set(parts), *(n for n in (REFERENCE, HELD_OUT) if n in parts)]
    return {
        f"{Path(name).stem} ({len(parts[name].images)})": parts[name].images.images[:SHEET_IMAGES]
        for name in shown
    }


def _write_png(path: Path, image: Image.Image) -> None:
    with atomic_file(path) as partial:
        image.save(partial, "PNG")
