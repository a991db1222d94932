"""What every part of a scene is painted with: layers, polygons, palettes and patterns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, reduce

import torch

from unidad.synthetic.shapes import Canvas, Tensor, bump, ellipse, ramp

FURS = ((58, 54, 60), (128, 128, 136), (226, 190, 140), (222, 136, 52), (132, 80, 46))
PAINTS = ((246, 140, 24), (252, 212, 36), (70, 190, 60), (20, 190, 190), (40, 90, 230))
"""Colours of plain objects: red and purple are left to the prompts."""
GREYS = ((70, 72, 80), (160, 162, 170), (236, 234, 228))


@dataclass
class Layer(Canvas):
    """A picture under construction on glass: colours are premultiplied by their cover.

    Attributes:
        cover: share of the background that is hidden, (N, H, W), changed in place.
    """

    cover: Tensor

    def blend(self, alpha: Tensor, colour: Tensor) -> None:
        """Mix a colour in by `alpha`, and hide the background by as much."""
        super().blend(alpha, colour)
        self.cover += alpha * (1 - self.cover)


@dataclass
class Frame:
    """A subject's own coordinates: it stands on v = 0.8 and fills about [-0.8, 0.8] squared.

    Attributes:
        a: the numbers of APPEARANCE, each (N, 1, 1).
        u, v: (N, H, W), v downwards.
        main, second: the two colours of the instance, (N, 3, 1, 1).
    """

    a: dict[str, Tensor]
    u: Tensor
    v: Tensor
    main: Tensor
    second: Tensor

    @cached_property
    def mirrored(self) -> Tensor:
        """Distance from the middle, so that pairs are drawn at once."""
        return self.u.abs()

    @cached_property
    def coat(self) -> Tensor:
        """Main colour with the instance's pattern and shading, (N, 3, H, W)."""
        return _painted(self.a, self.u, self.v, self.main, self.second)


def rgb(*colour: int) -> Tensor:
    """One colour, 0-255, for all images: (1, 3, 1, 1)."""
    return torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1) / 255


def mix(first: Tensor, second: Tensor, share: Tensor | float) -> Tensor:
    """Weighted mean of two colours; `share` of the second is a number or (N, H, W)."""
    if isinstance(share, Tensor):
        share = share.unsqueeze(1)
    return first + (second - first) * share


def convex(x: Tensor, y: Tensor, *corners: tuple[float, float]) -> Tensor:
    """Distance to a convex polygon, exact inside; corners clockwise as seen in the picture."""
    sides = zip(corners, (*corners[1:], corners[0]), strict=True)
    distances = []
    for (x0, y0), (x1, y1) in sides:
        length = math.hypot(x1 - x0, y1 - y0)
        distances.append((x - x0) * ((y1 - y0) / length) - (y - y0) * ((x1 - x0) / length))
    return reduce(torch.maximum, distances)


def union(*distances: Tensor) -> Tensor:
    """Distance to several shapes together."""
    return reduce(torch.minimum, distances)


def box(x: Tensor, y: Tensor, half_x: Tensor | float, half_y: Tensor | float) -> Tensor:
    """Distance to a box round the origin, exact inside."""
    return torch.maximum(x.abs() - half_x, y.abs() - half_y)


def tilted(x: Tensor, y: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
    """Coordinates turned so that a shape drawn in them is turned clockwise."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return cos * x + sin * y, cos * y - sin * x


def tile(position: Tensor, period: float) -> tuple[Tensor, Tensor]:
    """Position within a repeated cell, in [-period/2, period/2), and the number of the cell."""
    cell = torch.floor(position / period + 0.5)
    return position - cell * period, cell


def scatter(column: Tensor, row: Tensor | float = 0.0) -> Tensor:
    """Number in [0, 1] that looks random, for each whole (column, row)."""
    mixed = 7 * column * column + 13 * row * row + 5 * column * row + 3 * column + 4 * row
    return torch.remainder(mixed, 11) / 10


def band(value: Tensor, sharpness: float) -> Tensor:
    """0 below zero, 1 above, with an edge of width 1 / sharpness."""
    return (value * sharpness + 0.5).clamp(0, 1)


def hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Colour from hue, saturation and value (N, 1, 1) in [0, 1] → (N, 3, 1, 1)."""
    offsets = hue.new_tensor([0.0, 4.0, 2.0]).view(1, 3, 1, 1)
    wheel = torch.remainder(hue.unsqueeze(1) * 6 + offsets, 6)
    pure = ((wheel - 3).abs() - 1).clamp(0, 1)
    return value.unsqueeze(1) * (1 - saturation.unsqueeze(1) * (1 - pure))


def object_colours(a: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Main and second colour of painted instances, each (N, 3, 1, 1)."""
    grey = (a["saturation"] < 0.15).unsqueeze(1)
    vivid = ramp(a["hue"], PAINTS) * (0.72 + 0.28 * a["brightness"]).unsqueeze(1)
    main = torch.where(grey, ramp(a["brightness"], GREYS), vivid)
    plain = torch.where(a["brightness"].unsqueeze(1) < 0.5, rgb(250, 246, 236), rgb(48, 46, 60))
    contrast = ramp(torch.remainder(a["hue"] + 0.35 + 0.3 * a["second_hue"], 1.0), PAINTS)
    return main, torch.where(a["second"].unsqueeze(1) < 0.5, plain, contrast)


def fur_colours(a: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Main and second colour of furry instances, each (N, 3, 1, 1): white, or a darker main."""
    main = ramp(a["fur"], FURS)
    white = a["second"].unsqueeze(1) < 0.6
    return main, torch.where(white, rgb(250, 246, 238), main * 0.42)


def _painted(a: dict[str, Tensor], u: Tensor, v: Tensor, main: Tensor, second: Tensor) -> Tensor:
    """Main colour with stripes, dots or a patch in the second, and soft shading."""
    period = 0.34 + 0.16 * a["pattern_size"]
    across = (v + 0.25 * u) / period + a["pattern_place"]
    stripe = band((across - torch.floor(across) - 0.5).abs() - 0.28, 6) * a["stripes"]
    row_v, row = tile(v / period, 1.0)
    column_u, _ = tile(u / period + 0.5 * torch.remainder(row, 2), 1.0)
    dot = band(-ellipse(column_u, row_v, 0.3, 0.3), 6) * a["dots"]
    patch_u = u + 0.55 - 0.3 * a["pattern_place"]
    patch = band(-ellipse(patch_u, v + 0.15, 0.42, 0.4), 12) * a["patch"]
    pattern = torch.maximum(torch.maximum(stripe, dot), patch)
    shade = 1.04 - 0.2 * (u + 0.3).clamp(0, 1) - 0.12 * (v - 0.2).clamp(0, 1)
    shade = shade + 0.16 * bump(u + 0.2, v + 0.1, 0.4, 0.5)
    return (mix(main, second, pattern) * shade.unsqueeze(1)).clamp_(0, 1)


def fade(canvas: Canvas, y: Tensor, top: tuple, low: tuple, bottom: float = 1.0) -> None:
    """Fill the picture with a gradient from its top edge down to y = bottom."""
    share = ((y + 1) / (bottom + 1)).clamp(0, 1)
    canvas.image.copy_(mix(rgb(*top), rgb(*low), share))


def below(canvas: Canvas, y: Tensor, level: Tensor | float, colour: tuple) -> None:
    """Fill the picture below a level."""
    canvas.fill(level - y, rgb(*colour))
