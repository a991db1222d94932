"""From a photo of any shape to the square that networks see, and a picture of what is cut off."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageOps

from unidad.config.images import Crop

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""
TOLERANCE = 16
"""How far, of 255, a bar's pixels may lie from its corner's colour."""
NARROWEST, EVEN = 0.03, 0.01
"""Of an image's side: the narrowest bars that are warned of, and how far two may differ."""
SMALL = 128
"""Longer side, in pixels, at which detail is looked for."""
CENTRING = 0.5
"""How much of a window's detail is taken off it at the end of the way from the middle."""
DIMMED = 0.25
"""Brightness of what is cut off."""
FRAME = (255, 90, 0)


def square(image: Image.Image, resolution: int, crop: Crop = "centre") -> np.ndarray:
    """Crop or pad an RGB image to a square and resize it (Lanczos).

    Args:
        image: RGB.
        resolution: height and width of the result, in pixels.
        crop: centre: the middle square. smart: without bars of one colour at the sides, the square
            with the most detail. pad: all of it, on a ground of the mean colour of its edge.

    Returns:
        uint8 (resolution, resolution, 3).
    """
    size, filter_ = (resolution, resolution), Image.Resampling.LANCZOS
    if crop == "pad":
        return np.asarray(ImageOps.pad(image, size, filter_, _edge_colour(image)))
    return np.asarray(image.crop(square_box(image, crop)).resize(size, filter_))


def square_box(image: Image.Image, crop: Crop) -> Box:
    """What of an image is kept: a square, but for ``pad``, which keeps all."""
    if crop == "pad":
        return (0, 0, *image.size)
    if crop == "centre":
        return _window((0, 0, *image.size), 0.5)
    inside = _without_bars(image)
    return _window(inside, _most_detail(image.crop(inside)))


def shown(image: Image.Image, side: int, crop: Crop) -> np.ndarray:
    """The whole image on white, uint8 (side, side, 3); what is cut off is dark, the rest framed."""
    left, top, right, bottom = square_box(image, crop)
    dark = image.point(lambda level: int(level * DIMMED))
    dark.paste(image.crop((left, top, right, bottom)), (left, top))
    scale = side / max(image.size)
    small = ImageOps.contain(dark, (side, side), Image.Resampling.BOX)
    frame = [round(edge * scale) for edge in (left, top)]
    frame += [round(edge * scale) - 1 for edge in (right, bottom)]
    ImageDraw.Draw(small).rectangle(frame, outline=FRAME, width=max(1, side // 64))
    return np.asarray(ImageOps.pad(small, (side, side), color="white"))


def has_bars(image: Image.Image) -> bool:
    """Whether two opposite sides have bars of one colour and width, and the other two have none.

    That is how a picture of another shape is made square; a plain ground lies on all four sides.
    """
    left, top, right, bottom = _without_bars(image)
    width, height = image.size
    sides = sorted([(left, width - right, width), (top, height - bottom, height)])
    (clear, (first, second, length)) = sides
    even = abs(first - second) <= EVEN * length
    return clear[:2] == (0, 0) and even and min(first, second) >= NARROWEST * length


def _window(inside: Box, place: float) -> Box:
    """The largest square of a box; place is 0 at its left or top end, 1 at the other."""
    left, top, right, bottom = inside
    side = min(right - left, bottom - top)
    left += int((right - left - side) * place)
    top += int((bottom - top - side) * place)
    return left, top, left + side, top + side


def _without_bars(image: Image.Image) -> Box:
    """The image without bars of its corners' colour; all of it where nothing would remain."""
    left, top, right, bottom = inside = (0, 0, *image.size)
    for corner in ((0, 0), (image.width - 1, image.height - 1)):
        ground = Image.new("RGB", image.size, image.getpixel(corner))
        grey = ImageChops.difference(image, ground).convert("L")
        found = grey.point(lambda level: 255 * (level > TOLERANCE)).getbbox()
        if found is None:
            return inside
        left, top = max(left, found[0]), max(top, found[1])
        right, bottom = min(right, found[2]), min(bottom, found[3])
    if min(right - left, bottom - top) < min(image.size) // 4:
        return inside
    return left, top, right, bottom


def _most_detail(image: Image.Image) -> float:
    """Place of the square with the largest sum of gradients, which counts less off the middle."""
    small = image.convert("L")
    small.thumbnail((SMALL, SMALL), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=float)
    detail = np.hypot(*np.gradient(grey)) if min(grey.shape) > 1 else grey
    along = detail.sum(axis=int(grey.shape[0] > grey.shape[1]))
    side = min(grey.shape)
    sums = np.convolve(along, np.ones(side), mode="valid")
    if len(sums) == 1 or not sums.any():
        return 0.5
    places = np.linspace(0, 1, len(sums))
    return float(places[np.argmax(sums * (1 - CENTRING * np.abs(2 * places - 1)))])


def _edge_colour(image: Image.Image) -> tuple[int, int, int]:
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(int(level) for level in edge.mean(0).round())
