"""Draws cats and dogs, seated and facing us, and what they wear.

The head is centred on (0, -0.24) of the frame, the eyes on (±0.2, -0.28), the neck on v = 0.16.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from unidad.synthetic.scenes.brush import Frame, Layer, box, convex, mix, rgb, tile, union
from unidad.synthetic.shapes import Tensor, ellipse, ramp, rounded_box, segment

EYES = ((240, 190, 40), (150, 210, 60), (60, 190, 170), (80, 160, 240))
RAINBOW = ((228, 40, 50), (250, 150, 30), (250, 226, 60), (60, 180, 80), (50, 100, 220))
GOLD = (250, 204, 60)


def _cat(layer: Layer, f: Frame) -> None:
    edge = f.main * 0.45
    tail = (ellipse(f.u - 0.46, f.v - 0.44, 0.26, 0.34).abs()).maximum(0.34 - f.u)
    layer.fill(tail - 0.11, edge)
    layer.fill(tail - 0.085, f.coat)
    _body(layer, f, edge)
    ear = convex(f.mirrored, f.v, (0.46, -0.86), (0.52, -0.3), (0.1, -0.54))
    layer.fill(ear - 0.04, edge)
    layer.fill(ear - 0.01, f.coat)
    layer.fill(ear + 0.06, rgb(240, 160, 156))
    _head(layer, f, edge, 0.5)
    for row in (-0.12, 0.0):
        whisker = segment(f.mirrored, f.v, (0.28, row), (0.66, 2.2 * row + 0.08))
        layer.stroke(whisker, 0.014, rgb(250, 250, 250), 0.8)
    muzzle = mix(f.main, rgb(255, 248, 238), 0.7)
    layer.fill(ellipse(f.mirrored - 0.09, f.v + 0.06, 0.13, 0.1), muzzle)
    _eyes(layer, f, ramp(f.a["eye_colour"], EYES), 0.13, 0.05)
    layer.fill(convex(f.u, f.v, (-0.08, -0.17), (0.08, -0.17), (0, -0.08)), rgb(236, 112, 124))


def _dog(layer: Layer, f: Frame) -> None:
    edge = f.main * 0.45
    tail = segment(f.u, f.v, (0.3, 0.6), (0.68, 0.22))
    layer.fill(tail - 0.1, edge)
    layer.fill(tail - 0.075, f.coat)
    _body(layer, f, edge)
    _head(layer, f, edge, 0.44)
    flap_u, flap_v = f.mirrored - 0.5, f.v + 0.16
    ear = ellipse(flap_u - 0.2 * flap_v, flap_v, 0.15, 0.36 + 0.06 * f.a["height"])
    layer.outlined(ear, 0.03, edge * 0.8, f.main * 0.62)
    _eyes(layer, f, rgb(176, 116, 56), 0.115, 0.06)
    muzzle = mix(f.main, rgb(255, 244, 228), 0.75)
    layer.fill(ellipse(f.u, f.v + 0.04, 0.26, 0.2), muzzle)
    layer.fill(rounded_box(f.u, f.v - 0.14, 0.075, 0.11, 0.07), rgb(240, 96, 116))
    layer.stroke(segment(f.mirrored, f.v, (0.0, 0.04), (0.13, 0.06)), 0.022, rgb(60, 36, 36))
    layer.fill(ellipse(f.u, f.v + 0.14, 0.13, 0.09), rgb(22, 18, 20))


def _body(layer: Layer, f: Frame, edge: Tensor) -> None:
    trunk = union(
        ellipse(f.u, f.v - 0.48, 0.4, 0.42), ellipse(f.mirrored - 0.26, f.v - 0.7, 0.2, 0.12)
    )
    trunk = torch.maximum(trunk, f.v - 0.82)
    layer.outlined(trunk, 0.025, edge, f.coat)
    layer.fill(ellipse(f.u, f.v - 0.4, 0.2, 0.3), f.second)
    layer.fill(ellipse(f.mirrored - 0.18, f.v - 0.74, 0.14, 0.085), f.second)
    layer.stroke(segment(f.u, f.v, (0.0, 0.55), (0.0, 0.8)), 0.02, edge)


def _head(layer: Layer, f: Frame, edge: Tensor, wide: float) -> None:
    head = ellipse(f.u, f.v + 0.24, wide + 0.05 * f.a["width"], 0.41)
    layer.outlined(head, 0.025, edge, f.coat)


def _eyes(layer: Layer, f: Frame, iris: Tensor, tall: float, pupil: float) -> None:
    x, y = f.mirrored - 0.21, f.v + 0.29
    eye = ellipse(x, y, 0.115, tall)
    layer.outlined(eye, 0.03, rgb(24, 20, 24), iris)
    layer.fill(ellipse(x, y, pupil, tall * 0.9), rgb(8, 8, 10))
    layer.fill(ellipse(x - 0.03, y + 0.05, 0.035, 0.035), rgb(255, 255, 255))


def _robe(layer: Layer, f: Frame, colour: Tensor, trim: Tensor) -> Tensor:
    """A coat over the trunk with a collar; returns the distance to it."""
    cloth = union(
        ellipse(f.u, f.v - 0.5, 0.45, 0.43), ellipse(f.mirrored - 0.36, f.v - 0.42, 0.16, 0.26)
    )
    cloth = torch.maximum(torch.maximum(cloth, 0.14 - f.v), f.v - 0.74)
    layer.outlined(cloth, 0.025, colour * 0.45, colour)
    layer.fill(torch.maximum(cloth, f.v - 0.22), trim)
    return cloth


def _brim(layer: Layer, f: Frame, colour: Tensor, wide: float = 0.52) -> None:
    brim = ellipse(f.u, f.v + 0.56, wide, 0.1)
    layer.outlined(brim, 0.02, colour * 0.45, colour)


def _red_hat(layer: Layer, f: Frame) -> None:
    red = rgb(226, 24, 34)
    crown = rounded_box(f.u, f.v + 0.76, 0.32, 0.24, 0.14)
    layer.outlined(crown, 0.025, red * 0.4, red)
    layer.fill(torch.maximum(crown, -0.74 - f.v), rgb(90, 8, 16))
    _brim(layer, f, red, 0.6)


def _santa_hat(layer: Layer, f: Frame) -> None:
    cone = convex(
        f.u, f.v, (0.3, -1.08), (0.48, -0.94), (0.46, -0.52), (-0.46, -0.52), (-0.1, -0.96)
    )
    layer.outlined(cone, 0.03, rgb(120, 8, 16), rgb(222, 24, 36))
    layer.fill(rounded_box(f.u, f.v + 0.53, 0.54, 0.11, 0.1), rgb(255, 255, 255))
    layer.fill(ellipse(f.u - 0.54, f.v + 0.92, 0.16, 0.15), rgb(255, 255, 255))


def _rainbow_scarf(layer: Layer, f: Frame) -> None:
    wrap = rounded_box(f.u, f.v - 0.2 + 0.12 * f.u.square(), 0.46, 0.14, 0.12)
    hanging = box(f.u - 0.24, f.v - 0.46, 0.12, 0.26)
    layer.fill(union(wrap, hanging) - 0.025, rgb(60, 30, 70))
    for number, colour in enumerate(RAINBOW):
        across = (f.u + 0.46 - 0.184 * number - 0.092).abs() - 0.1
        layer.fill(torch.maximum(wrap, across), rgb(*colour))
        down = (f.v - 0.26 - 0.1 * number).abs() - 0.055
        layer.fill(torch.maximum(hanging, down), rgb(*colour))


def _top_hat(layer: Layer, f: Frame) -> None:
    black = rgb(22, 20, 26)
    layer.fill(box(f.u, f.v + 0.84, 0.34, 0.28), black)
    layer.fill(box(f.u, f.v + 0.68, 0.34, 0.055), rgb(190, 30, 50))
    layer.fill(box(f.u + 0.22, f.v + 0.9, 0.03, 0.15), rgb(110, 108, 120))
    layer.fill(ellipse(f.u, f.v + 0.56, 0.6, 0.09), black)
    lens = ellipse(f.u - 0.21, f.v + 0.29, 0.19, 0.19)
    layer.fill(lens, rgb(230, 245, 255), 0.25)
    layer.stroke(lens, 0.045, rgb(*GOLD))
    layer.stroke(segment(f.u, f.v, (0.38, -0.24), (0.46, 0.3)), 0.022, rgb(*GOLD))


def _chef(layer: Layer, f: Frame) -> None:
    white, shade = rgb(255, 255, 255), rgb(168, 172, 186)
    _robe(layer, f, white, rgb(220, 40, 46))
    for row in (0.36, 0.52):
        layer.fill(ellipse(f.mirrored - 0.12, f.v - row, 0.05, 0.05), rgb(50, 50, 60))
    puff = union(
        ellipse(f.mirrored - 0.28, f.v + 0.9, 0.25, 0.18), ellipse(f.u, f.v + 0.96, 0.26, 0.18)
    )
    toque = union(puff, box(f.u, f.v + 0.66, 0.37, 0.17))
    layer.outlined(toque, 0.03, shade, white)
    layer.fill(box(f.u, f.v + 0.56, 0.38, 0.05), shade)


def _firefighter(layer: Layer, f: Frame) -> None:
    yellow, red = rgb(244, 236, 60), rgb(214, 28, 28)
    cloth = _robe(layer, f, rgb(58, 54, 62), rgb(58, 54, 62))
    for row in (0.38, 0.62):
        layer.fill(torch.maximum(cloth, (f.v - row).abs() - 0.06), yellow)
    dome = torch.maximum(ellipse(f.u, f.v + 0.56, 0.46, 0.42), f.v + 0.54)
    layer.outlined(dome, 0.025, red * 0.45, red)
    layer.fill(box(f.u, f.v + 0.8, 0.05, 0.2), red * 0.65)
    _brim(layer, f, red, 0.64)
    badge = convex(
        f.u, f.v, (-0.15, -0.86), (0.15, -0.86), (0.13, -0.68), (0, -0.58), (-0.13, -0.68)
    )
    layer.fill(badge, rgb(*GOLD))


def _police(layer: Layer, f: Frame) -> None:
    navy = rgb(28, 48, 128)
    _robe(layer, f, navy, navy * 0.6)
    layer.fill(
        convex(f.u, f.v, (-0.06, 0.22), (0.06, 0.22), (0.08, 0.6), (-0.08, 0.6)), rgb(14, 14, 30)
    )
    layer.fill(ellipse(f.u + 0.24, f.v - 0.4, 0.09, 0.1), rgb(*GOLD))
    cap = convex(f.u, f.v, (-0.62, -0.88), (0, -1.0), (0.62, -0.88), (0.44, -0.6), (-0.44, -0.6))
    layer.outlined(cap, 0.025, navy * 0.4, navy)
    layer.fill(box(f.u, f.v + 0.6, 0.46, 0.07), rgb(16, 16, 28))
    layer.fill(ellipse(f.u, f.v + 0.5, 0.42, 0.08), rgb(10, 10, 18))
    layer.fill(ellipse(f.u, f.v + 0.78, 0.13, 0.13), rgb(*GOLD))


def _pink_glasses(layer: Layer, f: Frame) -> None:
    pink = rgb(255, 60, 160)
    lens = ellipse(f.mirrored - 0.23, f.v + 0.28, 0.19, 0.17)
    layer.fill(lens, rgb(255, 190, 226), 0.35)
    layer.stroke(lens, 0.06, pink)
    layer.fill(box(f.u, f.v + 0.3, 0.07, 0.035), pink)
    layer.fill(box(f.mirrored - 0.47, f.v + 0.32, 0.07, 0.035), pink)


def _yellow_shirt(layer: Layer, f: Frame) -> None:
    yellow = rgb(255, 222, 20)
    _robe(layer, f, yellow, yellow)
    collar = convex(f.mirrored, f.v, (0.04, 0.12), (0.26, 0.12), (0.14, 0.32))
    layer.outlined(collar, 0.015, rgb(170, 120, 0), rgb(255, 244, 150))


def _wizard(layer: Layer, f: Frame) -> None:
    purple, star = rgb(120, 40, 190), rgb(255, 226, 70)
    cloth = _robe(layer, f, purple, rgb(*GOLD))
    p, q = tile(f.u + 0.15, 0.3)[0], tile(f.v - 0.5, 0.26)[0]
    layer.fill(torch.maximum(p.abs() + q.abs() - 0.07, cloth + 0.03), star)
    cone = convex(f.u, f.v, (0.06, -1.16), (0.42, -0.54), (-0.42, -0.54))
    layer.outlined(cone, 0.03, purple * 0.4, purple)
    for at_u, at_v in ((-0.12, -0.7), (0.12, -0.82)):
        layer.fill((f.u - at_u).abs() + (f.v - at_v).abs() - 0.09, star)
    _brim(layer, f, purple, 0.66)


DRAW_ANIMAL: dict[str, Callable[[Layer, Frame], None]] = {"cat": _cat, "dog": _dog}

DRAW_ACCESSORY: dict[str, Callable[[Layer, Frame], None]] = {
    "wearing a red hat": _red_hat,
    "wearing a santa hat": _santa_hat,
    "wearing a rainbow scarf": _rainbow_scarf,
    "wearing a black top hat and a monocle": _top_hat,
    "in a chef outfit": _chef,
    "in a firefighter outfit": _firefighter,
    "in a police outfit": _police,
    "wearing pink glasses": _pink_glasses,
    "wearing a yellow shirt": _yellow_shirt,
    "in a purple wizard outfit": _wizard,
}
