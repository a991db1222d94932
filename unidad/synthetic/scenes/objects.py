"""Draws lifeless subjects, each in its own frame (see `Frame`)."""

from __future__ import annotations

from collections.abc import Callable

import torch

from unidad.synthetic.scenes.brush import Frame, Layer, box, convex, mix, rgb, union
from unidad.synthetic.shapes import bump, ellipse, rounded_box, segment

INK = (40, 34, 40)


def _backpack(layer: Layer, f: Frame) -> None:
    wide = 0.5 + 0.08 * f.a["width"]
    canvas_dark = f.main * 0.55
    layer.stroke(ellipse(f.u, f.v + 0.68, 0.2, 0.16), 0.05, canvas_dark)
    layer.fill(rounded_box(f.mirrored - wide, f.v - 0.25, 0.12, 0.4, 0.1), canvas_dark)
    body = rounded_box(f.u, f.v - 0.06, wide, 0.74, 0.34)
    layer.outlined(body, 0.03, f.main * 0.45, f.coat)
    flap = torch.maximum(body + 0.03, f.v + 0.12)
    layer.fill(flap.abs() - 0.022, f.main * 0.5)
    pocket = rounded_box(f.u, f.v - 0.45, wide - 0.14, 0.25, 0.1)
    layer.outlined(pocket, 0.03, f.main * 0.45, f.second)
    layer.fill(box(f.u, f.v - 0.36, wide - 0.2, 0.022), f.second * 0.45)
    layer.fill(box(f.mirrored - 0.22, f.v + 0.06, 0.045, 0.22), rgb(*INK))
    layer.fill(box(f.mirrored - 0.22, f.v - 0.1, 0.065, 0.06), rgb(236, 200, 96))


def _boot(layer: Layer, f: Frame) -> None:
    shaft_top = -0.8 + 0.15 * f.a["height"]
    shaft = convex(f.u, f.v, (-0.55, -0.8), (0.12, -0.8), (0.16, 0.6), (-0.52, 0.6))
    shaft = torch.maximum(shaft, shaft_top - f.v)
    foot = rounded_box(f.u - 0.1, f.v - 0.42, 0.66, 0.28, 0.24)
    leather = union(shaft, foot)
    layer.outlined(leather, 0.025, f.main * 0.4, f.coat)
    layer.fill(torch.maximum(shaft - 0.04, (f.v - shaft_top - 0.1).abs() - 0.11), f.second)
    sole = union(box(f.u - 0.1, f.v - 0.69, 0.68, 0.05), box(f.u + 0.36, f.v - 0.74, 0.2, 0.06))
    layer.fill(sole, rgb(*INK))
    for row in (-0.3, -0.08, 0.14):
        lace = segment(f.u, f.v, (-0.12, row + 0.06), (0.18, row - 0.06))
        layer.stroke(lace, 0.035, f.second)


def _bowl(layer: Layer, f: Frame) -> None:
    deep = 0.78 + 0.12 * f.a["height"]
    layer.fill(box(f.u, f.v - 0.72, 0.3, 0.08), f.main * 0.55)
    cup = torch.maximum(ellipse(f.u, f.v + 0.14, 0.84, deep), -0.14 - f.v)
    layer.outlined(cup, 0.02, f.main * 0.45, f.coat)
    layer.fill(ellipse(f.u, f.v + 0.14, 0.86, 0.25), f.main * 0.5)
    layer.fill(ellipse(f.u, f.v + 0.14, 0.78, 0.19), f.main * 0.3)
    fruit = mix(rgb(220, 36, 60), rgb(60, 70, 170), (f.a["detail"] > 0.5).float())
    for at_u, at_v in ((-0.45, -0.2), (0.42, -0.2), (-0.2, -0.36), (0.2, -0.36), (0.0, -0.14)):
        berry = ellipse(f.u - at_u, f.v - at_v, 0.21, 0.2)
        layer.fill(berry, fruit)
        layer.fill(ellipse(f.u - at_u + 0.06, f.v - at_v + 0.07, 0.06, 0.05), rgb(255, 225, 225))
    lip = torch.maximum(ellipse(f.u, f.v + 0.14, 0.86, 0.25), 0.02 - f.v)
    layer.fill(lip, f.main * 0.8)


def _can(layer: Layer, f: Frame) -> None:
    wide = 0.44 + 0.08 * f.a["width"]
    metal = rgb(196, 202, 210) * (1.0 - 0.4 * (f.u / wide).square().clamp(max=1)).unsqueeze(1)
    body = union(box(f.u, f.v, wide, 0.62), ellipse(f.u, f.v - 0.62, wide, 0.14))
    layer.outlined(body, 0.025, rgb(86, 90, 100), metal)
    curve = 0.1 * (1 - (f.u / wide).square().clamp(max=1))
    label = torch.maximum(body, (f.v - curve).abs() - 0.46)
    layer.fill(label, f.coat)
    stripe = torch.maximum(body, (f.v - curve - 0.02).abs() - 0.15)
    layer.fill(stripe, f.second)
    layer.fill(ellipse(f.u, f.v + 0.62, wide + 0.02, 0.16), rgb(120, 126, 136))
    layer.fill(ellipse(f.u, f.v + 0.63, wide - 0.04, 0.12), rgb(228, 232, 238))
    layer.fill(ellipse(f.u - 0.05, f.v + 0.62, 0.15, 0.05), rgb(96, 102, 114))


def _candle(layer: Layer, f: Frame) -> None:
    wide = 0.32 + 0.08 * f.a["width"]
    top = -0.12 - 0.1 * f.a["height"]
    layer.fill(ellipse(f.u, f.v - 0.68, 0.68, 0.16), f.second * 0.5)
    layer.fill(ellipse(f.u, f.v - 0.64, 0.64, 0.13), f.second)
    layer.stroke(ellipse(f.u - 0.72, f.v - 0.58, 0.14, 0.12), 0.045, f.second * 0.8)
    body = box(f.u, f.v - 0.5 * (top + 0.68), wide, 0.5 * (0.68 - top))
    layer.outlined(body, 0.022, f.main * 0.5, f.coat)
    layer.fill(ellipse(f.u, f.v - top, wide, 0.1), mix(f.main, rgb(255, 255, 250), 0.55))
    for at, long in ((-0.7, 0.16), (0.1, 0.1), (0.75, 0.2)):
        drip = rounded_box(f.u - at * wide, f.v - top - long, 0.06, long, 0.06)
        layer.fill(drip, mix(f.main, rgb(255, 255, 250), 0.55))
    layer.fill(box(f.u, f.v - top + 0.08, 0.025, 0.1), rgb(*INK))
    glow = bump(f.u, f.v - top + 0.32, 0.42, 0.46)
    layer.blend(0.45 * glow, rgb(255, 214, 90))
    fat = 0.16 * (1 + 0.9 * (f.v - top + 0.34)).clamp(0.3, 1.3)
    layer.fill(ellipse(f.u, f.v - top + 0.35, fat, 0.27), rgb(255, 140, 20))
    layer.fill(ellipse(f.u, f.v - top + 0.28, 0.08, 0.15), rgb(255, 250, 170))


def _clock(layer: Layer, f: Frame) -> None:
    layer.stroke(segment(f.mirrored, f.v, (0.3, 0.5), (0.5, 0.78)), 0.07, f.main * 0.5)
    layer.fill(ellipse(f.mirrored - 0.44, f.v + 0.6, 0.25, 0.2), f.second)
    layer.fill(ellipse(f.mirrored - 0.44, f.v + 0.6, 0.25, 0.2).abs() - 0.02, f.second * 0.5)
    layer.fill(box(f.u, f.v + 0.74, 0.06, 0.08), rgb(*INK))
    layer.fill(ellipse(f.u, f.v - 0.08, 0.72, 0.7), f.main * 0.5)
    layer.fill(ellipse(f.u, f.v - 0.08, 0.69, 0.67), f.coat)
    layer.fill(ellipse(f.u, f.v - 0.08, 0.5, 0.5), rgb(253, 252, 246))
    for at_u, at_v in ((0, -0.4), (0.4, 0), (0, 0.4), (-0.4, 0)):
        layer.fill(box(f.u - at_u, f.v - at_v - 0.08, 0.045, 0.045), rgb(*INK))
    hour = (0.22 * (2 * f.a["detail"] - 1), 0.08 - 0.2)
    layer.stroke(segment(f.u, f.v, (0.0, 0.08), hour), 0.05, rgb(*INK))
    layer.stroke(segment(f.u, f.v, (0.0, 0.08), (0.28, 0.2)), 0.035, rgb(*INK))


def _sneaker(layer: Layer, f: Frame) -> None:
    heel = convex(f.u, f.v, (-0.8, -0.26), (-0.14, -0.3), (0.34, 0.2), (0.3, 0.6), (-0.8, 0.6))
    toe = torch.maximum(ellipse(f.u - 0.3, f.v - 0.58, 0.58, 0.44), f.v - 0.6)
    opening = ellipse(f.u + 0.46, f.v + 0.3, 0.27, 0.13)
    upper = torch.maximum(union(heel, toe), -opening)
    layer.fill(union(heel, toe) - 0.03, f.main * 0.4)
    layer.fill(upper, f.coat)
    toecap = torch.maximum(toe, 0.58 - f.u)
    layer.fill(toecap, f.second)
    flash = convex(
        f.u, f.v, (-0.78, 0.0), (-0.6, 0.2), (-0.1, 0.3), (0.1, 0.08), (0.04, 0.44), (-0.6, 0.44)
    )
    layer.fill(flash, f.second)
    for at in (0.0, 0.18, 0.36):
        lace = segment(f.u, f.v, (at - 0.2, at - 0.12), (at - 0.02, at - 0.2))
        layer.stroke(lace, 0.045, rgb(252, 252, 252))
    sole = rounded_box(f.u - 0.03, f.v - 0.66, 0.87, 0.12, 0.1)
    layer.outlined(sole, 0.02, rgb(120, 120, 126), rgb(250, 250, 248))


def _stuffed_animal(layer: Layer, f: Frame) -> None:
    dark = f.main * 0.55
    light = mix(f.main, rgb(255, 240, 214), 0.65)
    parts = (
        ellipse(f.mirrored - 0.4, f.v + 0.66, 0.21, 0.2),
        ellipse(f.mirrored - 0.5, f.v - 0.22, 0.2, 0.3),
        ellipse(f.mirrored - 0.42, f.v - 0.66, 0.27, 0.2),
    )
    for part in parts:
        layer.outlined(part, 0.025, dark, f.main)
    layer.fill(ellipse(f.mirrored - 0.4, f.v + 0.64, 0.11, 0.11), light)
    layer.fill(ellipse(f.u, f.v - 0.36, 0.47, 0.44), f.coat)
    layer.fill(ellipse(f.u, f.v - 0.42, 0.27, 0.28), light)
    layer.fill(ellipse(f.mirrored - 0.44, f.v - 0.68, 0.15, 0.11), light)
    head = ellipse(f.u, f.v + 0.34, 0.52, 0.44)
    layer.outlined(head, 0.025, dark, f.coat)
    layer.fill(ellipse(f.u, f.v + 0.2, 0.24, 0.19), light)
    layer.fill(ellipse(f.u, f.v + 0.27, 0.1, 0.075), rgb(*INK))
    layer.fill(ellipse(f.mirrored - 0.22, f.v + 0.44, 0.07, 0.075), rgb(16, 14, 16))
    bow = convex(f.mirrored, f.v - 0.1, (0, -0.03), (0.24, -0.13), (0.24, 0.13), (0, 0.03))
    layer.fill(bow, f.second)


def _teapot(layer: Layer, f: Frame) -> None:
    tall = 0.48 + 0.06 * f.a["height"]
    rim = f.main * 0.45
    spout = segment(f.u, f.v, (0.36, 0.34), (0.8, -0.2))
    layer.stroke(spout, 0.12, rim)
    layer.stroke(spout, 0.09, f.main * 0.9)
    handle = ellipse(f.u + 0.52, f.v - 0.16, 0.33, 0.32)
    layer.stroke(handle, 0.1, rim)
    layer.stroke(handle, 0.065, f.main * 0.85)
    layer.fill(box(f.u, f.v - 0.72, 0.3, 0.08), rim)
    body = ellipse(f.u, f.v - 0.2, 0.58, tall)
    layer.outlined(body, 0.03, rim, f.coat)
    lid = torch.maximum(ellipse(f.u, f.v + 0.22, 0.36, 0.24), f.v + 0.18)
    layer.outlined(lid, 0.03, rim, f.second)
    layer.fill(ellipse(f.u, f.v + 0.54, 0.13, 0.12), rim)
    layer.fill(ellipse(f.u, f.v + 0.54, 0.1, 0.09), f.second)


def _toy(layer: Layer, f: Frame) -> None:
    """A rubber duck."""
    edge = f.main * 0.5
    tail = convex(f.u, f.v, (-0.82, -0.02), (-0.3, 0.2), (-0.5, 0.6))
    body = union(ellipse(f.u + 0.06, f.v - 0.42, 0.7, 0.38), tail)
    head = ellipse(f.u - 0.26, f.v + 0.26, 0.42, 0.42)
    bird = union(body, head)
    layer.outlined(bird, 0.03, edge, f.coat)
    beak = ellipse(f.u - 0.7, f.v + 0.16, 0.22, 0.12)
    layer.outlined(beak, 0.025, rgb(150, 60, 10), rgb(255, 128, 20))
    wing = ellipse(f.u + 0.14, f.v - 0.36, 0.34, 0.2)
    layer.outlined(wing, 0.03, edge, f.second)
    layer.fill(ellipse(f.u - 0.38, f.v + 0.36, 0.11, 0.12), rgb(255, 255, 255))
    layer.fill(ellipse(f.u - 0.41, f.v + 0.35, 0.065, 0.075), rgb(10, 10, 14))


def _vase(layer: Layer, f: Frame) -> None:
    petals = ((236, 60, 90), (255, 206, 50), (250, 250, 250))
    for at_u, at_v, number in ((-0.36, -0.54, 0), (0.36, -0.5, 1), (0.0, -0.68, 2)):
        layer.stroke(segment(f.u, f.v, (0.0, 0.0), (at_u, at_v)), 0.04, rgb(44, 130, 50))
        bloom = ellipse(f.u - at_u, f.v - at_v, 0.2, 0.19)
        layer.fill(bloom, rgb(*petals[number]))
        layer.fill(ellipse(f.u - at_u, f.v - at_v, 0.08, 0.08), rgb(150, 80, 20))
    belly = ellipse(f.u, f.v - 0.4, 0.48 + 0.08 * f.a["width"], 0.38)
    neck = box(f.u, f.v, 0.2, 0.22)
    vase = torch.maximum(union(belly, neck, box(f.u, f.v - 0.72, 0.28, 0.07)), f.v - 0.79)
    layer.outlined(vase, 0.03, f.main * 0.45, f.coat)
    layer.outlined(ellipse(f.u, f.v + 0.2, 0.34, 0.09), 0.02, f.main * 0.45, f.second)
    layer.fill(torch.maximum(vase, (f.v - 0.1).abs() - 0.04), f.second)


DRAW_OBJECT: dict[str, Callable[[Layer, Frame], None]] = {
    "backpack": _backpack,
    "boot": _boot,
    "bowl": _bowl,
    "can": _can,
    "candle": _candle,
    "clock": _clock,
    "sneaker": _sneaker,
    "stuffed animal": _stuffed_animal,
    "teapot": _teapot,
    "toy": _toy,
    "vase": _vase,
}
