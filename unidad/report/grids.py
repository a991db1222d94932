"""Grids of images to look at."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unidad.errors import UserError
from unidad.files import atomic_file

WHITE = 255
TILE = 64
"""Images are enlarged to about this many pixels."""
GAP = 4
SECTION_GAP = 20
MARGIN = 16
FONT_SIZE = 19
HEADER_SIZE, HEADER_LINE, HEADER_CHARACTERS = 11, 13, 11


def sample_grid(images: np.ndarray, columns: int, gap: int = 2) -> np.ndarray:
    """Lay images out row by row on white.

    Args:
        images: uint8 (N, H, W, 3).
        columns: images in a row; the last row may be shorter.
        gap: white pixels between neighbours.

    Returns:
        uint8 (rows * (H + gap) - gap, columns * (W + gap) - gap, 3), rows = ceil(N / columns).
    """
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    padded = np.full((rows * columns, height + gap, width + gap, channels), WHITE, dtype=np.uint8)
    padded[:count, :height, :width] = images
    grid = padded.reshape(rows, columns, height + gap, width + gap, channels)
    grid = grid.swapaxes(1, 2).reshape(rows * (height + gap), columns * (width + gap), channels)
    return grid[: grid.shape[0] - gap, : grid.shape[1] - gap]


def enlarge(images: np.ndarray, factor: int) -> np.ndarray:
    """Repeat every pixel of uint8 (N, H, W, 3) `factor` times along both sides."""
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def comparison_grid(
    training: np.ndarray,
    rows: Sequence[tuple[str, np.ndarray]],
    columns: int,
    out: str | Path,
    training_label: str = "training images",
    headers: Sequence[str] = (),
    notes: Mapping[int, Sequence[str]] = {},
) -> None:
    """Write a PNG: the training images on top, then one labelled row a method.

    Args:
        training: uint8 (k, H, W, 3); they wrap where k > columns.
        rows: label (may hold line breaks) and uint8 (N, H, W, 3), whose first `columns` images
            are shown; images of one column were drawn from the same seed.
        columns: images in a row.
        out: PNG, written atomically.
        training_label: stands beside the training images.
        headers: what the columns show, such as their prompts; stand above the methods' rows.
        notes: number of a row → what stands in the lower left corner of each of its images.

    Raises:
        UserError: a row's images differ in size from the training images.
    """
    for label, images in rows:
        if images.shape[1:] != training.shape[1:]:
            raise UserError(
                f"{out}: '{label}' has images of {images.shape[1:3]} pixels, the training set of "
                f"{training.shape[1:3]}; sample again at the training set's resolution"
            )
    factor = max(1, round(TILE / training.shape[1]))
    shown = [training, *(images[:columns] for _, images in rows)]
    strips = [sample_grid(enlarge(images, factor), columns, GAP) for images in shown]
    for row, texts in notes.items():
        strips[row + 1] = _noted(strips[row + 1], texts, columns)
    labels = [training_label, *(label for label, _ in rows)]
    picture = _labelled(strips, labels, [_wrapped(text) for text in headers])
    with atomic_file(out) as partial:
        picture.save(partial, format="PNG")


def strip_offsets(heights: Sequence[int], header: int = 0) -> list[int]:
    """Top of each strip: the first is set apart by `SECTION_GAP` pixels and those of a header."""
    tops = [MARGIN]
    for i, height in enumerate(heights[:-1]):
        tops.append(tops[-1] + height + (GAP if i else SECTION_GAP + header))
    return tops


def label_width(labels: Sequence[str]) -> int:
    """Pixels that the widest label takes."""
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    font = ImageFont.load_default(size=FONT_SIZE)
    return max(int(np.ceil(pen.multiline_textbbox((0, 0), text, font=font)[2])) for text in labels)


def _noted(strip: np.ndarray, texts: Sequence[str], columns: int) -> np.ndarray:
    """A text, white on black, in the lower left corner of each of a row's images."""
    picture = Image.fromarray(strip)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=HEADER_SIZE)
    pitch = (picture.width + GAP) // columns
    for column, text in enumerate(texts):
        corner = (column * pitch + 2, picture.height - 2)
        pen.rectangle(pen.textbbox(corner, text, font, anchor="ld"), fill="black")
        pen.text(corner, text, "white", font, anchor="ld")
    return np.asarray(picture)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, HEADER_CHARACTERS))


def _labelled(
    strips: Sequence[np.ndarray], labels: Sequence[str], headers: Sequence[str]
) -> Image.Image:
    lines = max((text.count("\n") + 1 for text in headers), default=0)
    tops = strip_offsets([len(strip) for strip in strips], lines * HEADER_LINE)
    left = MARGIN + label_width(labels) + MARGIN
    height = tops[-1] + len(strips[-1]) + MARGIN
    picture = Image.new("RGB", (left + strips[0].shape[1] + MARGIN, height), "white")
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=FONT_SIZE)
    for strip, label, top in zip(strips, labels, tops, strict=True):
        picture.paste(Image.fromarray(strip), (left, top))
        middle = (left - MARGIN, top + len(strip) / 2)
        pen.multiline_text(middle, label, "#222222", font, anchor="rm", align="right")
    if len(strips) > 1:
        small = ImageFont.load_default(size=HEADER_SIZE)
        pitch = (strips[1].shape[1] + GAP) // max(len(headers), 1)
        for column, text in enumerate(headers):
            foot = (left + column * pitch, tops[1] - GAP)
            pen.multiline_text(foot, text, "#222222", small, anchor="ld", spacing=1)
        line = tops[1] - SECTION_GAP // 2 - lines * HEADER_LINE
        pen.line([(MARGIN, line), (picture.width - MARGIN, line)], fill="#BBBBBB", width=1)
    return picture
