"""Sheets of images in labelled rows, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unidad.files import atomic_file

COLUMNS = 10
TILE = 64
GAP = 4


def contact_sheet(rows: Mapping[str, np.ndarray], columns: int = COLUMNS) -> Image.Image:
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


def write_png(path: Path, image: Image.Image) -> None:
    """Write a picture whole or not at all."""
    with atomic_file(path) as partial:
        image.save(partial, "PNG")
