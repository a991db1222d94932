"""Draws people: adults, babies and all between, with or without sunglasses."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from unidad.synthetic.faces.pose import posed
from unidad.synthetic.shapes import (
    Canvas,
    Tensor,
    bump,
    ellipse,
    mixed_colour,
    plain,
    ramp,
    rounded_box,
    segment,
)

SKIN = (
    (255, 226, 205),
    (244, 200, 168),
    (228, 174, 130),
    (196, 134, 92),
    (146, 92, 62),
    (104, 66, 48),
)
HAIR = (
    (22, 18, 20),
    (58, 38, 28),
    (104, 64, 38),
    (156, 82, 40),
    (206, 152, 82),
    (236, 208, 146),
    (202, 198, 194),
)
EYES = (
    (58, 34, 20),
    (104, 66, 34),
    (104, 118, 60),
    (62, 128, 130),
    (56, 112, 186),
    (120, 146, 172),
)
LENSES = ((16, 16, 20), (62, 34, 18), (20, 52, 38), (22, 34, 84), (92, 26, 48))


def draw_human(canvas: Canvas, a: dict[str, Tensor], x: Tensor, y: Tensor) -> None:
    """Paint a person over the background; x and y are (N, H, W) in [-1, 1], y downwards."""
    face = _layout(a, x, y)
    parts = (_hair_behind, _body, _head, _beard, _nose, _mouth, _eyes, _brows, _hair_before)
    for paint in parts:
        paint(canvas, a, face)
    if bool((a["glasses"] > 0).any()):
        _sunglasses(canvas, a, face)


def _layout(a: dict[str, Tensor], x: Tensor, y: Tensor) -> SimpleNamespace:
    """Sizes, places and colours of the parts, in the coordinates of `posed`; a head is 1.3 high."""
    baby = a["babyness"]
    scale = 0.94 + 0.22 * a["size"] + 0.04 * baby
    x = (x - (a["position_x"] - 0.5) * 0.32) / scale
    y = (y - 0.06 + 0.06 * baby - (a["position_y"] - 0.5) * 0.24) / scale
    face = posed(a, x, y, 0.15, 0.45)
    face.width = 0.42 + 0.12 * a["face_width"] + 0.10 * baby
    face.height = 0.60 + 0.12 * a["face_height"] - 0.06 * baby
    face.eye_x = 0.205 + 0.03 * (a["face_width"] - 0.5) + 0.035 * baby
    face.eye_y = -0.06 + 0.15 * baby
    face.mouth_y = 0.36 + 0.06 * (a["face_height"] - 0.5) + 0.03 * baby
    face.skin = ramp(a["skin_tone"], SKIN)
    warm = (a["skin_warmth"] - 0.5).unsqueeze(1) * 0.08
    face.skin = (face.skin + warm * face.skin.new_tensor([1, 0, -1]).view(1, 3, 1, 1)).clamp(0, 1)
    face.hair = ramp(a["hair_tone"], HAIR)
    face.outline = _outline(a, face)
    return face


def _outline(a: dict[str, Tensor], face: SimpleNamespace) -> Tensor:
    """Distance to the head: an ellipse that narrows to the chin and fills out at the cheeks."""
    row = face.v / face.height
    baby = a["babyness"]
    chin = (0.36 - 0.26 * a["jaw"]) * (1 - 0.6 * baby) * row.clamp(min=0).square()
    cheeks = (0.04 + 0.13 * baby) * (1 - ((row - 0.45) / 0.8).square()).clamp(min=0).square()
    return ellipse(face.u / (1 - chin + cheeks), face.v, face.width, face.height)


def _hair_behind(canvas: Canvas, a: dict[str, Tensor], face: SimpleNamespace) -> None:
    length = 1.1 * a["hair_length"]
    v = face.v + 0.12
    below = v - torch.minimum(v.clamp(min=0), length)
    wide = face.width + 0.02 + 0.16 * a["hair_volume"]
    shape = ellipse(face.u, below, wide, face.height - 0.08 + 0.14 * a["hair_volume"])
    canvas.fill(shape, face.hair * 0.72, a["hair_density"] * (12 * a["hair_length"]).clamp(max=1))


def _body(canvas: Canvas, a: dict[str, Tensor], face: SimpleNamespace) -> None:
    baby = a["babyness"]
    neck_x, top = 0.23 - 0.03 * baby, 0.86 - 0.22 * baby
    neck = rounded_box(face.x, face.y - 0.6, neck_x, 0.5, 0.08)
    canvas.fill(neck, face.skin * 0.78)
    cloth = mixed_colour(a["clothes_lightness"], a["clothes_warmth"], a["clothes_tint"])
    shoulders = ellipse(face.x, face.y - top - 0.62, 0.98 - 0.2 * baby, 0.72)
    collar = ellipse(face.x, face.y - top + 0.06, neck_x + 0.03, 0.2)
    shade = 1 - 0.25 * (face.x.abs() - 0.2).clamp(0, 1)
    canvas.fill(torch.maximum(shoulders, -collar), cloth * shade.unsqueeze(1))
    ruff = ellipse(face.x, face.y - top + 0.02, 0.46 + 0.14 * a["size"], 0.17)
    worn = ((a["paint"] > 0) & (a["brush_5"] < 0.6)).float()
    pleats = 0.86 + 0.10 * torch.sin(26 * face.x)
    canvas.fill(ruff, plain(top, 240, 232, 214) * pleats.unsqueeze(1), worn)
    canvas.fill(ellipse(face.x, face.y - top + 0.14, neck_x, 0.16), face.skin * 0.7, worn)


def _head(canvas: Canvas, a: dict[str, Tensor], face: SimpleNamespace) -> None:
    ear_x = face.width * (1 + 0.07 * a["babyness"])
    size = 0.8 + 0.45 * a["ear_size"]
    ear = ellipse(face.u.abs() - ear_x, face.v - face.eye_y - 0.06, 0.075 * size, 0.125 * size)
    canvas.fill(ear, face.skin * 0.86)
    light = (a["light"] - 0.5) * 2
    across, down = face.u / face.width, face.v / face.height
    depth = (1 - across.square() - down.square()).clamp(0, 1).sqrt_()
    shade = 0.80 + 0.22 * depth + 0.16 * light * across - 0.05 * down
    canvas.fill(face.outline, (face.skin * shade.unsqueeze(1)).clamp_(0, 1))
    blush = bump(face.mirrored - face.eye_x - 0.07, face.v - face.eye_y - 0.24, 0.17, 0.14)
    strength = 0.22 + 0.25 * a["babyness"]
    canvas.blend(blush * strength, face.skin * plain(light, 255, 150, 140))


def _beard(canvas: Canvas, a: dict[str, Tensor], face: SimpleNamespace) -> None:
    edge = face.mouth_y - 0.09 - 0.4 * (face.u / face.width).square().square()
    beard = torch.maximum(face.outline + 0.01, edge - face.v)
    canvas.fill(beard, face.hair, 0.9 * a["beard"])


def _nose(canvas: Canvas, a: dict[str, Tensor], face: SimpleNamespace) -> None:
    size = (0.75 + 0.5 * a["nose_size"]) * (1 - 0.25 * a["babyness"])
    tip_y = face.v - (face.eye_y + 0.24 - 0.05 * a["babyness"])
    tip_x = face.fu - 0.05 * face.yaw
    canvas.blend(0.4 * bump(tip_x, tip_y + 0.1, 0.06 * size, 0.2), face.skin * 1.25)
    under = ellipse(tip_x, tip_y - 0.035, 0.085 * size, 0.03 * size)
    canvas.fill(under, face.skin * 0.62)
    canvas.fill(ellipse(tip_x, tip_y, 0.07 * size, 0.05 * size), (face.skin * 1.06).clamp(0, 1))


def _mouth(canvas: Canvas, a: dict[str, Tensor], face: SimpleNamespace) -> None:
    width = (0.15 + 0.10 * a["mouth_width"]) * (1 - 0.32 * a["babyness"])
    gap = 0.015 + 0.085 * a["mouth_opening"]
    bend = (a["mouth_curve"] - 0.25) * 0.14
    v = face.v - face.mouth_y + bend * ((face.fu / width).square() - 0.4)
    rose = plain(v, 206, 84, 88).lerp(plain(v, 176, 22, 52), a["lip_redness"].unsqueeze(1))
    lips = (face.skin * 0.82).lerp(rose, 0.45 + 0.45 * a["lip_redness"].unsqueeze(1))
    canvas.fill(ellipse(face.fu, v - 0.008, width, gap + 0.042), lips)
    inside = ellipse(face.fu, v, width * 0.86, gap)
    canvas.fill(inside, lips * 0.35)
    teeth = torch.maximum(inside + 0.008, v - 0.1 * gap)
    canvas.fill(teeth, plain(v, 250, 246, 240), (a["mouth_opening"] * 4).clamp(0, 1))


def _eyes(canvas: Canvas, a: dict[str, Tensor], face: SimpleNamespace) -> None:
    grow = (0.9 + 0.3 * a["eye_size"]) * (1 + 0.2 * a["babyness"])
    wide, tall = 0.128 * grow, (0.045 + 0.05 * a["eye_openness"] + 0.015 * a["babyness"]) * grow
    x, y = face.mirrored - face.eye_x, face.v - face.eye_y
    canvas.blend(0.35 * bump(x, y + 0.02, 0.2 * grow, 0.17 * grow), face.skin * 0.55)
    eye = ellipse(x, y, wide, tall)
    canvas.fill(eye, plain(x, 250, 248, 246))
    look = x - (a["gaze"] - 0.5) * 0.09 * face.sign
    iris = ellipse(look, y, 0.068 * grow, 0.068 * grow)
    canvas.fill(torch.maximum(iris, eye), ramp(a["eye_colour"], EYES))
    pupil = ellipse(look, y, 0.033 * grow, 0.033 * grow)
    canvas.fill(torch.maximum(pupil, eye), plain(x, 8, 6, 8))
    glint = ellipse(look + 0.024 * face.sign * grow, y + 0.026 * grow, 0.02 * grow, 0.02 * grow)
    canvas.fill(torch.maximum(glint, eye), plain(x, 255, 255, 255))
    lid = torch.maximum(eye.abs() - 0.02, y + 0.25 * tall)
    canvas.fill(lid, face.skin * 0.22, 0.9 - 0.3 * a["babyness"])


def _brows(canvas: Canvas, a: dict[str, Tensor], face: SimpleNamespace) -> None:
    lift = 0.175 + 0.03 * a["eye_openness"] + 0.03 * a["babyness"]
    tilt = (a["brow_tilt"] - 0.35) * 0.07
    middle = face.eye_y - lift
    inner, outer = (face.eye_x - 0.11, middle - tilt), (face.eye_x + 0.12, middle + tilt)
    brow = segment(face.mirrored, face.v, inner, outer)
    thickness = 0.016 + 0.03 * a["brow_thickness"]
    canvas.stroke(brow, thickness, face.hair * 0.8, 0.9 - 0.5 * a["babyness"])


def _hair_before(canvas: Canvas, a: dict[str, Tensor], face: SimpleNamespace) -> None:
    baby = a["babyness"]
    wide = face.width + 0.015 + 0.13 * a["hair_volume"]
    high = face.height + 0.01 + 0.20 * a["hair_volume"]
    cap = ellipse(face.u, face.v, wide, high)
    across = (face.u - 0.12 * face.yaw - (a["hair_parting"] - 0.5) * 0.3) / face.width
    side = 0.30 + 0.75 * a["hair_length"]
    top = 0.20 * a["hair_fringe"] - 0.70 * face.height
    line = top + side * across.square() ** 3
    shape = torch.maximum(cap, (face.v - line) * 0.7)
    gloss = bump(face.u - 0.3 * (a["light"] - 0.5), face.v + 0.58, 0.4, 0.2)
    shade = 0.92 + 0.08 * torch.sin(face.u * 26 + 5 * face.v) + 0.28 * gloss
    colour = (face.hair * shade.unsqueeze(1)).clamp_(0, 1)
    # A baby's down has no edge.
    soft = Canvas(canvas.image, canvas.pixel + 0.16 * baby)
    soft.fill(torch.maximum(shape + 0.08 * baby, cap), colour, a["hair_density"])
    curl = ellipse(face.u - 0.04, face.v + face.height - 0.02, 0.07, 0.10)
    canvas.fill(curl, face.hair, a["hair_density"] * (baby * 2 - 1).clamp(min=0))


def _sunglasses(canvas: Canvas, a: dict[str, Tensor], face: SimpleNamespace) -> None:
    worn = (a["glasses"] > 0).float()
    half_x = 0.175 + 0.04 * a["lens_size"]
    half_y = 0.105 + 0.06 * a["lens_size"] + 0.03 * (a["lens_roundness"] - 0.5)
    x, y = face.mirrored - face.eye_x - 0.015, face.v - face.eye_y - 0.03
    corner = half_y * (0.3 + 0.7 * a["lens_roundness"])
    narrowing = 1 + 0.9 * a["lens_roundness"] * y.clamp(min=0)
    lens = rounded_box(x * narrowing, y, half_x, half_y, corner)
    tint = ramp(a["lens_colour"], LENSES)
    frame = tint * 0.5
    bridge = segment(face.mirrored, y, (0.0, -0.04), (face.eye_x, -0.04))
    arm = segment(face.mirrored, y, (face.eye_x, -0.05), (face.width, -0.07))
    canvas.stroke(torch.minimum(bridge, arm), 0.022, frame, worn)
    canvas.fill(lens - 0.022, frame, worn)
    fade = (0.55 * (y / half_y + 1) * (1.3 - a["glasses"])).clamp(0, 1)
    canvas.fill(lens, tint.lerp(face.skin, 0.5 * fade.unsqueeze(1)), worn)
    slant = 0.7 * (face.fu - face.eye_x * face.sign) + y + 0.05
    streak = torch.maximum(lens + 0.03, slant.abs() - 0.025)
    canvas.fill(streak, plain(x, 235, 242, 250), 0.4 * worn)
