"""Draws where a scene takes place, over the whole picture.

Every function here paints on a canvas with coordinates x (1, 1, W) and y (1, H, 1) in [-1, 1], y
downwards; `a` holds the numbers of SURROUNDINGS, each (N, 1, 1).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from unidad.synthetic.scenes.brush import (
    band,
    below,
    box,
    convex,
    fade,
    hsv,
    mix,
    rgb,
    scatter,
    tile,
    tilted,
    union,
)
from unidad.synthetic.shapes import Canvas, Tensor, bump, ellipse, rounded_box, segment

SKY_TOP, SKY_LOW = (96, 172, 240), (208, 232, 250)
GRASS = (98, 172, 66)
MILK, WATER = (250, 245, 232), (34, 116, 200)

Values = dict[str, Tensor]


def _sideways(a: Values, x: Tensor) -> Tensor:
    """Coordinate that points to where the subject leaves room."""
    return x * (2 * a["side"] - 1)


def _plain(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    wall = hsv(a["place_0"], 0.1 + 0.25 * a["place_1"], 0.72 + 0.24 * a["tone"])
    canvas.image.copy_(wall * (1.04 - 0.1 * (x * x + y * y).unsqueeze(1)))
    canvas.blend(band(y - 0.45, 3) * 0.25, rgb(40, 36, 40))


def _jungle(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (34, 110, 44), (8, 44, 20), 0.4)
    canvas.blend(0.8 * bump(x - 0.5 + a["place_0"], y + 0.8, 0.7, 0.9), rgb(190, 226, 110))
    below(canvas, y, 0.5 + 0.04 * torch.sin(9 * x), (74, 58, 26))
    leaves = (
        *((-0.8, -0.8, 40, 0), (0.75, -0.85, -40, 1), (-0.1, -1.0, 80, 2), (-0.95, -0.3, 20, 1)),
        *((0.95, -0.3, -25, 0), (-0.9, 0.2, -30, 2), (0.9, 0.25, 30, 1), (0.4, -1.0, 110, 0)),
        *((-0.75, 0.85, -60, 0), (0.7, 0.9, 60, 2), (-0.95, 0.6, -15, 1), (0.98, 0.62, 10, 0)),
    )
    greens = ((46, 150, 52), (106, 196, 70), (20, 96, 44))
    for number, (at_x, at_y, angle, green) in enumerate(leaves):
        sway = 0.2 * (a[f"place_{number % 3}"] - 0.5)
        u, v = tilted(x - at_x - sway, y - at_y - sway, angle)
        canvas.fill(ellipse(u, v, 0.42, 0.15), rgb(*greens[green]))
        canvas.stroke(box(u, v, 0.36, 0.0), 0.012, rgb(14, 70, 30), 0.7)
    canvas.stroke(x - 0.62 - 0.06 * torch.sin(4 * y), 0.025, rgb(24, 70, 20), 0.9)


def _snow(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (132, 176, 226), (206, 224, 242), 0.0)
    for place, at in enumerate((-0.78, 0.82, -0.3)):
        u = x - at - 0.2 * (a[f"place_{place}"] - 0.5)
        for top in (-0.85, -0.5):
            canvas.fill(convex(u, y - top, (0, 0), (0.3, 0.6), (-0.3, 0.6)), rgb(36, 92, 76))
            canvas.fill(convex(u, y - top, (0, 0), (0.14, 0.26), (-0.14, 0.26)), rgb(250, 252, 255))
    hill = 0.12 + 0.08 * torch.sin(2.6 * x + 6.283 * a["place_0"])
    canvas.fill(hill - y, rgb(246, 250, 255))
    canvas.blend(0.3 * bump(x, y - 1.1, 1.3, 0.5), rgb(170, 196, 232))
    u, column = tile(x + 0.3 * a["place_1"], 0.38)
    v, _ = tile(y + 0.5 * scatter(column) + a["place_2"], 0.42)
    canvas.fill(ellipse(u, v, 0.045, 0.045), rgb(255, 255, 255))


def _beach(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (70, 176, 244), (196, 234, 252), -0.2)
    side = _sideways(a, x)
    canvas.fill(ellipse(side - 0.5 - 0.3 * a["place_0"], y + 0.72, 0.17, 0.17), rgb(255, 232, 90))
    below(canvas, y, -0.22, (18, 138, 196))
    shore = 0.16 + 0.04 * torch.sin(5 * x + 6.283 * a["place_1"])
    canvas.fill(shore - 0.1 - y, rgb(240, 252, 252))
    canvas.fill(shore - y, rgb(244, 216, 150))
    canvas.blend(0.5 * bump(x, y - 1.2, 1.4, 0.7), rgb(222, 184, 110))
    u = side + 0.78
    canvas.stroke(segment(u, y, (-0.1, 0.4), (0.08, -0.5)), 0.06, rgb(122, 82, 46))
    for angle in (-150, -100, -30, 25, 165):
        p, q = tilted(u - 0.08, y + 0.52, angle)
        canvas.fill(ellipse(p - 0.24, q, 0.27, 0.075), rgb(38, 140, 58))


def _cobblestones(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    canvas.image.copy_(rgb(62, 58, 62).expand_as(canvas.image))
    v, row = tile(y + 0.3 * a["place_0"], 0.3)
    shift = 0.19 * torch.remainder(row, 2) + 0.38 * a["place_1"]
    u, column = tile(x + shift, 0.38)
    level = 0.8 + 0.3 * scatter(column, row)
    stone = mix(rgb(158, 152, 150), rgb(164, 140, 120), scatter(row, column))
    lit = (level - 0.6 * v - 0.2 * u).unsqueeze(1)
    canvas.fill(rounded_box(u, v, 0.165, 0.125, 0.09), (stone * lit).clamp(0, 1))


def _pink_fabric(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    turn = 6.283 * a["place_0"]
    fold = torch.sin(4 * x + 3 * y + turn + 1.5 * torch.sin(2 * y - 3 * x + 6.283 * a["place_1"]))
    fold = 0.65 * fold + 0.35 * torch.sin(9 * x - 4 * y + 6.283 * a["place_2"])
    pink = mix(rgb(226, 82, 146), rgb(255, 176, 208), (0.5 + 0.6 * fold).clamp(0, 1))
    canvas.image.copy_(pink)


def _wooden_floor(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    v, row = tile(y + 0.4 * a["place_0"], 0.4)
    u, column = tile(x + 0.7 * scatter(row) + a["place_1"], 1.5)
    grain = 0.05 * torch.sin(30 * v + 3 * torch.sin(3 * x + 5 * row))
    level = 0.84 + 0.26 * scatter(row, column) + grain
    canvas.image.copy_(rgb(190, 124, 66) * level.unsqueeze(1))
    canvas.fill(torch.maximum(v.abs() - 0.182, u.abs() - 0.732).neg(), rgb(84, 46, 22))


def _city(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (92, 110, 176), (252, 196, 150), 0.3)
    for period, low, colour in ((0.3, -0.35, (132, 132, 164)), (0.44, -0.15, (56, 62, 92))):
        u, column = tile(x + a["place_0"] + period, period)
        roof = low - 0.6 * scatter(column)
        tower = torch.maximum(u.abs() - period * 0.46, roof - y)
        canvas.fill(tower, rgb(*colour))
    p, _ = tile(u, 0.13)
    q, line = tile(y, 0.15)
    lit = (scatter(line, column) > 0.3).float()
    canvas.fill(torch.maximum(box(p, q, 0.035, 0.045), tower + 0.06), rgb(255, 224, 120), lit)
    below(canvas, y, 0.38, (112, 112, 118))
    canvas.fill(box(tile(x, 0.7)[0], y - 0.86, 0.2, 0.03), rgb(240, 236, 210))


def _mountain(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, SKY_TOP, SKY_LOW, 0.2)
    side = _sideways(a, x)
    far = convex(side + 0.75, y, (0, -0.45), (0.7, 0.4), (-0.7, 0.4))
    canvas.fill(far, rgb(140, 150, 178))
    u = side - 0.42 - 0.2 * (a["place_0"] - 0.5)
    canvas.fill(convex(u, y, (0, -0.92), (0.85, 0.4), (-0.85, 0.4)), rgb(96, 98, 122))
    canvas.fill(convex(u, y, (0, -0.92), (0.08, 0.4), (-0.85, 0.4)), rgb(124, 126, 148))
    cap = convex(u, y, (0, -0.92), (0.85, 0.4), (-0.85, 0.4))
    jag = y + 0.46 - 0.08 * torch.sin(16 * u)
    canvas.fill(torch.maximum(cap, jag), rgb(252, 253, 255))
    below(canvas, y, 0.28 + 0.04 * torch.sin(3 * x + 6.283 * a["place_1"]), GRASS)


def _blue_house(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (186, 218, 244), (238, 244, 248), 0.3)
    below(canvas, y, 0.3, GRASS)
    u = _sideways(a, x) - 0.42 - 0.1 * (a["place_0"] - 0.5)
    canvas.fill(box(u, y - 0.06, 0.5, 0.4), rgb(36, 96, 222))
    canvas.fill(convex(u, y, (0, -0.92), (0.64, -0.32), (-0.64, -0.32)), rgb(128, 60, 48))
    for at in (-0.26, 0.27):
        canvas.fill(box(u - at, y + 0.08, 0.14, 0.14), rgb(255, 255, 255))
        canvas.fill(box(u - at, y + 0.08, 0.09, 0.09), rgb(140, 190, 230))
    canvas.fill(box(u, y - 0.3, 0.1, 0.18), rgb(255, 250, 235))


def _rug_in_forest(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (48, 112, 58), (26, 66, 40), 0.3)
    u, column = tile(x + 0.44 * a["place_0"], 0.44)
    canvas.fill(u.abs() - 0.06 - 0.05 * scatter(column), rgb(98, 66, 42))
    v = y + 0.86 - 0.08 * torch.sin(8 * x + 6.283 * a["place_1"])
    canvas.fill(v - 0.14, rgb(60, 140, 56))
    below(canvas, y, 0.3, (92, 76, 40))
    _rug(canvas, x, y, (206, 150, 236), (142, 44, 190))


def _rug(canvas: Canvas, x: Tensor, y: Tensor, edge: tuple, inner: tuple) -> None:
    canvas.fill(ellipse(x, y - 0.68, 0.97, 0.4), rgb(*edge))
    canvas.fill(ellipse(x, y - 0.68, 0.88, 0.32), rgb(*inner))


def _wheat_field(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, SKY_TOP, SKY_LOW, -0.2)
    top = -0.28 + 0.03 * torch.sin(3 * x + 6.283 * a["place_0"])
    canvas.fill(top - y, rgb(232, 186, 70))
    for period, start in ((0.14, -0.28), (0.2, 0.15)):
        u, column = tile(x + 0.05 * torch.sin(3 * y) + a["place_1"], period)
        tip = start + 0.12 * scatter(column)
        canvas.fill(torch.maximum(u.abs() - 0.02, tip - y), rgb(184, 130, 36))
        canvas.fill(ellipse(u, y - tip, 0.05, 0.13), rgb(250, 214, 112))


def _autumn(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (186, 214, 236), (240, 236, 220), 0.3)
    below(canvas, y, 0.26, (166, 118, 56))
    u = _sideways(a, x) - 0.52 - 0.1 * (a["place_0"] - 0.5)
    canvas.fill(
        convex(u, y, (-0.07, -0.5), (0.07, -0.5), (0.13, 0.42), (-0.13, 0.42)), rgb(92, 58, 36)
    )
    colours = ((206, 70, 30), (234, 130, 30), (246, 180, 44))
    crown = ((-0.3, -0.4, 0), (0.28, -0.38, 1), (0.0, -0.72, 1), (-0.3, -0.75, 2), (0.3, -0.75, 0))
    for at_x, at_y, number in (*crown, (0.02, -0.42, 2)):
        canvas.fill(ellipse(u - at_x, y - at_y, 0.27, 0.23), rgb(*colours[number]))
    for number, colour in enumerate(colours):
        p, column = tile(x + a[f"place_{number}"] + 0.2 * number, 0.44)
        q, _ = tile(y + 0.6 * scatter(column, number), 0.5)
        canvas.fill(ellipse(p, q, 0.065, 0.045), rgb(*colour))


def _eiffel_tower(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (150, 190, 240), (255, 220, 204), 0.3)
    below(canvas, y, 0.3, (120, 178, 84))
    u = (_sideways(a, x) - 0.52 - 0.1 * (a["place_0"] - 0.5)).abs()
    down = ((y + 0.98) / 1.36).clamp(0, 1)
    width = 0.025 + 0.1 * down + 0.3 * down * down * down
    inside = torch.maximum(u - width, (y + 0.3).abs() - 0.68) * 0.9
    gap = torch.maximum(u - width * 0.45, -0.02 - y)
    iron = rgb(108, 76, 58)
    canvas.fill(torch.maximum(inside, -gap), iron)
    canvas.fill(box(u, y - 0.0, 0.24, 0.045), iron)
    canvas.fill(box(u, y + 0.38, 0.14, 0.035), iron)
    canvas.fill(box(u, y + 0.98, 0.014, 0.14), iron)


def _water(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (150, 206, 246), (222, 240, 252), -0.5)
    below(canvas, y, -0.48, WATER)
    waves(canvas, a, x, y, -0.48, (96, 176, 240), (14, 74, 152))


def _milk(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (58, 116, 186), (150, 190, 226), -0.3)
    swell = -0.36 + 0.07 * torch.sin(5 * x + 6.283 * a["place_0"])
    canvas.fill(swell - y, rgb(*MILK))
    waves(canvas, a, x, y, -0.4, (255, 255, 252), (228, 212, 186))
    for at_x, at_y, size in ((-0.8, -0.5, 0.13), (0.74, -0.52, 0.15), (-0.62, -0.68, 0.06)):
        canvas.fill(ellipse(x - at_x, y - at_y, size, size * 1.2), rgb(*MILK))


def waves(
    canvas: Canvas, a: Values, x: Tensor, y: Tensor, top: float, light: tuple, dark: tuple
) -> None:
    """Ripples below y = top, wider and flatter towards the viewer."""
    depth = (y - top).clamp(min=0)
    rows = 17 * (depth + 0.05).sqrt() + 0.8 * torch.sin(5 * x + 6.283 * a["place_1"])
    ripple = torch.sin(rows + 6.283 * a["place_2"])
    shown = band(depth - 0.04, 20)
    canvas.blend(shown * (1.6 * ripple - 0.7).clamp(0, 1), rgb(*light))
    canvas.blend(shown * (-1.6 * ripple - 0.9).clamp(0, 0.8), rgb(*dark))


def _sunflowers(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (70, 158, 48), (108, 192, 66))
    u, column = tile(x + 0.04 * torch.sin(9 * y), 0.12)
    v, _ = tile(y + 0.3 * scatter(column), 0.32)
    canvas.fill(ellipse(u, v, 0.025, 0.12), rgb(44, 124, 40))
    places = (
        (-0.78, -0.72),
        (0.76, -0.78),
        (-0.86, 0.02),
        (0.86, -0.06),
        (-0.76, 0.74),
        (0.8, 0.72),
    )
    for number, (at_x, at_y) in enumerate((*places, (0.02, -0.88))):
        sway = 0.16 * (a[f"place_{number % 3}"] - 0.5)
        u, v = x - at_x - sway, y - at_y + sway
        petals = 0.035 * torch.sin(7 * u / 0.24) * torch.sin(7 * v / 0.24)
        canvas.fill(ellipse(u, v, 0.24, 0.24) + petals, rgb(255, 208, 20))
        canvas.fill(ellipse(u, v, 0.11, 0.11), rgb(92, 52, 18))


def _mirror(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    canvas.image.copy_(rgb(96, 84, 92).expand_as(canvas.image))
    canvas.fill(ellipse(x, y - 0.34, 1.02, 0.72), rgb(214, 166, 62))
    glass = ellipse(x, y - 0.34, 0.92, 0.62)
    canvas.fill(glass, rgb(190, 220, 236))
    slant = tile(x + y + 0.3 * a["place_0"], 0.8)[0]
    canvas.fill(torch.maximum(slant.abs() - 0.09, glass + 0.02), rgb(244, 252, 255), 0.9)


def _crowded_street(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (150, 126, 110), (120, 104, 100), 0.1)
    u, column = tile(x + a["place_0"], 0.5)
    canvas.fill(box(u, y + 0.9, 0.13, 0.12), rgb(240, 224, 150))
    below(canvas, y, 0.22, (196, 194, 190))
    v, row = tile((y - 0.22).clamp(min=0).sqrt(), 0.24)
    seam = torch.maximum(v.abs() - 0.11, tile(x + 0.2 * row, 0.5)[0].abs() - 0.235)
    canvas.fill(torch.maximum(-seam, 0.25 - y), rgb(130, 128, 126))
    shirts = ((206, 56, 56), (44, 90, 190), (240, 190, 50), (50, 140, 90))
    for row, (period, head) in enumerate(((0.42, -0.72), (0.5, -0.5))):
        u, column = tile(x + a[f"place_{row + 1}"] + 0.2 * row, period)
        place = torch.remainder(column + 2 * row, 4)
        body = rounded_box(u, y - head - 0.46, 0.19, 0.34, 0.12)
        for number, shirt in enumerate(shirts):
            canvas.fill(body, rgb(*shirt), (place == number).float())
        canvas.fill(ellipse(u, y - head, 0.11, 0.14), rgb(248, 196, 160))
        canvas.fill(
            torch.maximum(ellipse(u, y - head, 0.12, 0.15), y - head + 0.05), rgb(66, 42, 30)
        )


def _dirt_road(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, SKY_TOP, SKY_LOW, -0.2)
    below(canvas, y, -0.22 + 0.04 * torch.sin(4 * x + 6.283 * a["place_0"]), (112, 160, 62))
    below(canvas, y, 0.0, (126, 176, 70))
    u = x - (2 * a["side"] - 1) * (0.4 + 0.2 * a["place_1"]) * (0.9 - y)
    road = convex(u, y, (-0.3, -0.16), (0.3, -0.16), (1.7, 1.1), (-1.7, 1.1))
    canvas.fill(road, rgb(176, 128, 78))
    down = (y + 0.16).clamp(min=0)
    rut = (u.abs() - 0.12 - 0.6 * down).abs() - 0.03 - 0.08 * down
    canvas.fill(torch.maximum(rut, road), rgb(140, 96, 56))
    p, column = tile(x + a["place_2"], 0.3)
    q, _ = tile(y + 0.5 * scatter(column), 0.36)
    canvas.fill(torch.maximum(ellipse(p, q, 0.045, 0.035), road + 0.05), rgb(206, 168, 122))


def _white_rug(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (104, 142, 140), (128, 164, 160), 0.1)
    below(canvas, y, 0.12, (120, 76, 46))
    canvas.fill(tile(y - 0.2, 0.26)[0].abs() - 0.014, rgb(86, 52, 30), (y > 0.15).float())
    canvas.fill((y - 0.1).abs() - 0.04, rgb(240, 236, 226))
    _rug(canvas, x, y, (228, 224, 218), (252, 251, 248))
    tuft = torch.sin(26 * x + 6.283 * a["place_0"]) * torch.sin(30 * y)
    canvas.blend(
        0.14 * tuft.clamp(min=0) * band(-ellipse(x, y - 0.68, 0.97, 0.4), 20), rgb(150, 146, 150)
    )


def _sofa(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, (238, 222, 190), (226, 206, 172), 0.3)
    cloth = mix(rgb(118, 122, 134), rgb(142, 142, 150), a["tone"])
    canvas.fill(rounded_box(x, y - 0.1, 0.98, 0.6, 0.2), cloth * 0.85)
    canvas.fill(rounded_box(x, y - 0.75, 0.9, 0.4, 0.15), cloth * 1.1)
    canvas.fill(box(x, y + 0.06, 0.03, 0.4), cloth * 0.6)
    canvas.fill(rounded_box(x.abs() - 0.92, y - 0.5, 0.16, 0.5, 0.14), cloth * 0.95)


def _lawn(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    fade(canvas, y, SKY_TOP, SKY_LOW, 0.0)
    u, _ = tile(x + 0.26 * a["place_0"], 0.26)
    picket = torch.maximum(u.abs() - 0.09, -0.5 + u.abs() - y)
    canvas.fill(union(picket, (y + 0.1).abs() - 0.05), rgb(196, 150, 100))
    below(canvas, y, 0.12, (88, 166, 60))
    p, column = tile(x + a["place_1"], 0.16)
    q, _ = tile(y + 0.4 * scatter(column), 0.34)
    canvas.fill(torch.maximum(ellipse(p, q, 0.03, 0.1), 0.14 - y), rgb(58, 130, 44))


def _kitchen(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    u, column = tile(x + 0.44 * a["place_0"], 0.44)
    v, row = tile(y + 0.44 * a["place_1"], 0.44)
    odd = torch.remainder(column + row, 2)
    canvas.image.copy_(mix(rgb(236, 242, 238), rgb(112, 190, 188), odd))
    canvas.fill(-box(u, v, 0.2, 0.2), rgb(250, 250, 246))
    below(canvas, y, 0.42, (120, 112, 108))
    below(canvas, y, 0.48, (206, 200, 190))


def _tablecloth(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    first = torch.remainder(torch.floor((x + 0.4 * a["place_0"]) / 0.2), 2)
    second = torch.remainder(torch.floor((y + 0.4 * a["place_1"]) / 0.2), 2)
    canvas.image.copy_(mix(rgb(252, 250, 246), rgb(62, 112, 196), 0.5 * (first + second)))


def _brick_wall(canvas: Canvas, a: Values, x: Tensor, y: Tensor) -> None:
    canvas.image.copy_(rgb(216, 202, 188).expand_as(canvas.image))
    v, row = tile(y + 0.22 * a["place_0"], 0.22)
    u, column = tile(x + 0.25 * torch.remainder(row, 2) + a["place_1"], 0.5)
    brick = rgb(178, 84, 62) * (0.85 + 0.3 * scatter(column, row)).unsqueeze(1)
    canvas.fill(box(u, v, 0.225, 0.085), brick)
    below(canvas, y, 0.55, (130, 130, 134))


DRAW_CONTEXT: dict[str, Callable[[Canvas, Values, Tensor, Tensor], None]] = {
    "": _plain,
    "in the jungle": _jungle,
    "in the snow": _snow,
    "on the beach": _beach,
    "on a cobblestone street": _cobblestones,
    "on top of pink fabric": _pink_fabric,
    "on top of a wooden floor": _wooden_floor,
    "with a city in the background": _city,
    "with a mountain in the background": _mountain,
    "with a blue house in the background": _blue_house,
    "on top of a purple rug in a forest": _rug_in_forest,
    "with a wheat field in the background": _wheat_field,
    "with a tree and autumn leaves in the background": _autumn,
    "with the Eiffel Tower in the background": _eiffel_tower,
    "floating on top of water": _water,
    "floating in an ocean of milk": _milk,
    "on top of green grass with sunflowers around it": _sunflowers,
    "on top of a mirror": _mirror,
    "on top of the sidewalk in a crowded street": _crowded_street,
    "on top of a dirt road": _dirt_road,
    "on top of a white rug": _white_rug,
    "on a grey sofa": _sofa,
    "on a lawn in front of a fence": _lawn,
    "in a tiled kitchen": _kitchen,
    "on a checked tablecloth": _tablecloth,
    "in front of a brick wall": _brick_wall,
}
