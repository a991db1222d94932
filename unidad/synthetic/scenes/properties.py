"""Properties of a subject: its colour, its surface, its shape.

Every function here changes a layer that already holds the subject, but for `draw_cube`, which
comes first.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from unidad.synthetic.scenes.brush import Frame, Layer, band, convex, mix, rgb, scatter, tile
from unidad.synthetic.shapes import Tensor, ellipse

CUBE_INSET, CUBE_MIDDLE = 0.66, (-0.12, 0.2)
"""Scale and centre of the subject on the front of its cube, in the cube's frame."""


def draw_cube(layer: Layer, f: Frame) -> None:
    """A box in the subject's main colour; the subject itself then covers its front."""
    edge, white = f.main * 0.35, rgb(255, 255, 255)
    outline = convex(
        *(f.u, f.v, (-0.76, -0.44), (-0.44, -0.76), (0.82, -0.76), (0.82, 0.5), (0.52, 0.8)),
        (-0.76, 0.8),
    )
    layer.fill(outline - 0.05, edge)
    top = convex(f.u, f.v, (-0.74, -0.46), (-0.44, -0.74), (0.78, -0.74), (0.5, -0.46))
    layer.fill(top, mix(f.main, white, 0.75))
    side = convex(f.u, f.v, (0.54, -0.44), (0.8, -0.72), (0.8, 0.48), (0.54, 0.78))
    layer.fill(side, f.main * 0.6)
    front = convex(f.u, f.v, (-0.74, -0.4), (0.48, -0.4), (0.48, 0.78), (-0.74, 0.78))
    layer.fill(front, mix(f.main, white, 0.45))


def _tint(colour: tuple[int, int, int]) -> Callable[[Layer, Frame], None]:
    """Recolour everything, keeping light and dark."""

    def recolour(layer: Layer, f: Frame) -> None:
        weights = layer.image.new_tensor([0.30, 0.59, 0.11]).view(1, 3, 1, 1)
        grey = (layer.image * weights).sum(1, keepdim=True)
        tinted = rgb(*colour) * (0.42 * layer.cover.unsqueeze(1) + 0.75 * grey)
        layer.image.lerp_(tinted, 0.9)

    return recolour


def _glaze(layer: Layer, alpha: Tensor, colour: Tensor) -> None:
    """Mix a colour in where the subject is, and only there."""
    layer.image += alpha.unsqueeze(1) * (colour * layer.cover.unsqueeze(1) - layer.image)


def _make_shiny(layer: Layer, f: Frame) -> None:
    layer.image *= 1.1
    slant = f.u + 0.6 * f.v
    _glaze(layer, band(0.1 - (slant + 0.28).abs(), 12) * 0.9, rgb(255, 255, 255))
    _glaze(layer, band(0.05 - (slant + 0.02).abs(), 12) * 0.7, rgb(255, 255, 255))
    for at_u, at_v, size in ((0.56, -0.5, 0.3), (-0.62, -0.3, 0.22), (0.62, 0.45, 0.2)):
        p, q = (f.u - at_u).abs(), (f.v - at_v).abs()
        star = torch.minimum(4 * p + q, p + 4 * q) - size
        layer.fill(star / 2, rgb(255, 255, 235))


def _make_wet(layer: Layer, f: Frame) -> None:
    _glaze(layer, 0.28 + 0 * f.u, rgb(20, 70, 130))
    u, column = tile(f.u + 0.05, 0.42)
    v, _ = tile(f.v + 0.6 * scatter(column, 1.0), 0.6)
    _glaze(layer, band(-ellipse(u, v, 0.06, 0.1), 14), rgb(206, 240, 255))
    for at_u, at_v in ((-0.74, -0.36), (0.72, -0.48), (0.78, 0.2), (-0.78, 0.28)):
        p, q = f.u - at_u, f.v - at_v
        fat = 0.075 * (1 + 4 * q).clamp(0.2, 1.4)
        layer.fill(ellipse(p, q, fat, 0.13), rgb(60, 150, 240))


CHANGE_SUBJECT: dict[str, Callable[[Layer, Frame], None]] = {
    "red": _tint((244, 16, 22)),
    "purple": _tint((160, 40, 236)),
    "shiny": _make_shiny,
    "wet": _make_wet,
}
