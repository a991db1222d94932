"""Draws cats: ears, muzzle, whiskers, slit pupils, plain, tabby and patched coats."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from unidad.synthetic.faces.pose import posed
from unidad.synthetic.shapes import (
    Canvas,
    Tensor,
    bump,
    colour,
    ellipse,
    plain,
    ramp,
    segment,
)

EYES = ((214, 112, 24), (240, 190, 40), (170, 200, 60), (70, 170, 110), (80, 160, 230))


def draw_cat(canvas: Canvas, a: dict[str, Tensor], x: Tensor, y: Tensor) -> None:
    """Paint a cat over the background; x and y are (N, H, W) in [-1, 1], y downwards."""
    cat = _layout(a, x, y)
    for paint in (_body, _ears, _head, _muzzle, _eyes, _whiskers):
        paint(canvas, a, cat)


def _layout(a: dict[str, Tensor], x: Tensor, y: Tensor) -> SimpleNamespace:
    scale = 0.9 + 0.2 * a["size"]
    x = (x - (a["position_x"] - 0.5) * 0.3) / scale
    y = (y - 0.14 - (a["position_y"] - 0.5) * 0.24) / scale
    cat = posed(a, x, y, 0.13, 0.35)
    cat.width, cat.height = 0.56 + 0.1 * a["face_width"], 0.46 + 0.07 * a["face_height"]
    level, warm = 0.92 - 0.74 * a["skin_tone"], 0.34 * a["skin_warmth"]
    warm = warm * (1 - (2 * level - 1).abs() ** 2)
    cat.fur = colour(level + warm * 0.75, level - 0.08 * warm, level - warm)
    cat.white = plain(x, 246, 240, 232)
    cat.marks = cat.fur * 0.42
    return cat


def _coat(a: dict[str, Tensor], cat: SimpleNamespace) -> Tensor:
    """Fur colour over the picture, (N, 3, H, W): shading, tabby stripes, white patches."""
    across, down = cat.u / cat.width, cat.v / cat.height
    light = (a["light"] - 0.5) * 2
    shade = 1.06 - 0.22 * (across.square() + down.square()).clamp(max=1.3) + 0.12 * light * across
    coat = cat.fur * shade.unsqueeze(1)
    brow = torch.sin(cat.fu * 21 + 1.57) * (-down - 0.25).clamp(0, 0.5) * 2
    cheek = torch.sin(cat.v * 19 - 9 * cat.mirrored) * ((across.abs() - 0.5) * 3).clamp(0, 1)
    stripes = ((brow + cheek) * 2.2 - 0.3).clamp_(0, 1) * a["fur_stripes"]
    coat = coat.lerp(cat.marks, stripes.unsqueeze(1))
    side = torch.where(a["brush_0"] < 0.5, -1.0, 1.0)
    spot = ((-ellipse(cat.u - 0.34 * side, cat.v + 0.2, 0.34, 0.36)) * 16).clamp_(0, 1)
    coat = coat.lerp(cat.marks, (spot * ((a["fur_patches"] - 0.6) * 6).clamp(0, 1)).unsqueeze(1))
    reach = 0.10 + 0.5 * (a["fur_patches"] - 0.4).clamp(min=0)
    blaze = (reach + 0.55 * (down + 0.35).clamp(min=-0.4) - across.abs()) * 7
    patch = (blaze.clamp(0, 1) * (a["fur_patches"] > 0)).unsqueeze(1)
    return coat.lerp_(cat.white * shade.unsqueeze(1), patch).clamp_(0, 1)


def _body(canvas: Canvas, a: dict[str, Tensor], cat: SimpleNamespace) -> None:
    chest = ellipse(cat.x, cat.y - 0.95, 0.52, 0.75)
    stripes = (torch.sin(cat.y * 17 - 6 * cat.x.abs()) * 2).clamp(0, 1) * a["fur_stripes"] * 0.7
    fur = (cat.fur * 0.8).lerp(cat.marks, stripes.unsqueeze(1))
    canvas.fill(chest, fur)
    bib = (a["fur_patches"] > 0).float()
    canvas.fill(ellipse(cat.x, cat.y - 0.8, 0.26, 0.5), cat.white * 0.86, bib)


def _ears(canvas: Canvas, a: dict[str, Tensor], cat: SimpleNamespace) -> None:
    size = 0.36 + 0.16 * a["ear_size"]
    x, y = cat.u.abs() - 0.62 * cat.width, cat.v + 0.60 * cat.height
    ear = _ear(x, y, size)
    canvas.fill(ear, cat.fur * 0.86)
    canvas.fill(_ear(x + 0.005, y + 0.03, size * 0.72), plain(x, 226, 150, 142) * 0.95)


def _ear(x: Tensor, y: Tensor, size: Tensor) -> Tensor:
    """Distance to a pointed ear that leans outwards, its foot at the origin."""
    outer = 0.88 * (x - 0.62 * size) - 0.12 * y
    inner = -0.80 * x - 0.60 * y - 0.52 * size
    return torch.maximum(torch.maximum(outer, inner), y - 0.3 * size)


def _head(canvas: Canvas, a: dict[str, Tensor], cat: SimpleNamespace) -> None:
    row = cat.v / cat.height
    fluff = 0.10 * (1 - ((row - 0.4) / 0.5).square()).clamp(min=0)
    head = ellipse(cat.u / (1 + fluff), cat.v, cat.width, cat.height)
    canvas.fill(head, _coat(a, cat))


def _muzzle(canvas: Canvas, a: dict[str, Tensor], cat: SimpleNamespace) -> None:
    light = cat.fur.lerp(cat.white, 0.75)
    opening = 0.08 * a["mouth_opening"]
    chin = ellipse(cat.fu, cat.v - 0.33 - opening, 0.12, 0.09)
    canvas.fill(chin, light * 0.9)
    mouth = ellipse(cat.fu, cat.v - 0.30, 0.085, 0.02 + opening)
    canvas.fill(mouth, plain(cat.v, 110, 40, 44))
    pad = ellipse(cat.mirrored - 0.105, cat.v - 0.225, 0.135, 0.095)
    canvas.fill(pad, light)
    line = segment(cat.mirrored, cat.v, (0.0, 0.15), (0.0, 0.24))
    curl = segment(cat.mirrored, cat.v, (0.0, 0.25), (0.10, 0.30))
    canvas.stroke(torch.minimum(line, curl), 0.014, cat.fur * 0.25, 0.9)
    size = 0.07 + 0.03 * a["nose_size"]
    y = cat.v - 0.11
    nose = torch.maximum(cat.mirrored * 0.75 + y * 0.66 - size * 0.62, -y - 0.04)
    dark = (a["skin_tone"].unsqueeze(1) - 0.5).clamp(0, 0.5) * 1.4
    canvas.fill(nose, plain(y, 232, 128, 128).lerp(plain(y, 60, 44, 48), dark))


def _eyes(canvas: Canvas, a: dict[str, Tensor], cat: SimpleNamespace) -> None:
    grow = 0.95 + 0.3 * a["eye_size"]
    wide, tall = 0.135 * grow, (0.075 + 0.05 * a["eye_openness"]) * grow
    x, y = cat.mirrored - 0.255, cat.v + 0.07
    y = y + 0.22 * x
    eye = ellipse(x, y, wide, tall)
    canvas.outlined(eye, 0.022, cat.fur * 0.18, ramp(a["eye_colour"], EYES))
    canvas.blend(0.4 * bump(x, y - 0.06, 0.1, 0.07), plain(x, 255, 250, 210))
    look = x - (a["gaze"] - 0.5) * 0.06 * cat.sign
    pupil = ellipse(look, y, 0.024 + 0.03 * (1 - a["eye_openness"]), tall * 0.95)
    canvas.fill(torch.maximum(pupil, eye), plain(x, 6, 8, 8))
    glint = ellipse(look + 0.045 * cat.sign, y + 0.04, 0.022, 0.022)
    canvas.fill(torch.maximum(glint, eye), plain(x, 255, 255, 255))


def _whiskers(canvas: Canvas, a: dict[str, Tensor], cat: SimpleNamespace) -> None:
    lines = [
        segment(cat.mirrored, cat.v, (0.2, start), (0.2 + reach, end))
        for start, end, reach in ((0.18, 0.08, 0.5), (0.225, 0.225, 0.52), (0.27, 0.37, 0.48))
    ]
    whisker = torch.minimum(torch.minimum(lines[0], lines[1]), lines[2])
    canvas.stroke(whisker, 0.011, plain(cat.v, 255, 255, 255), 0.85)
