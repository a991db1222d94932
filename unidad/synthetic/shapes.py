"""Signed-distance shapes, colours and the canvas they are painted on.

Every tensor here is float32. Fields over the picture are (N, H, W), one number an image is
(N, 1, 1), a colour is (N, 3, 1, 1) or, if it varies over the picture, (N, 3, H, W), in [0, 1].
Distances are negative inside a shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

Tensor = torch.Tensor


@dataclass
class Canvas:
    """A picture under construction.

    Attributes:
        image: (N, 3, H, W), changed in place.
        pixel: width of a pixel in the units of the shapes, (N, 1, 1); edges fade over it.
    """

    image: Tensor
    pixel: Tensor

    def fill(self, distance: Tensor, colour: Tensor, opacity: Tensor | float = 1.0) -> None:
        """Paint the inside of a shape with an anti-aliased edge."""
        self.blend((0.5 - distance / self.pixel).clamp_(0, 1) * opacity, colour)

    def outlined(self, distance: Tensor, rim: float, edge: Tensor, colour: Tensor) -> None:
        """Paint the inside of a shape, and a rim of this width round it in another colour."""
        self.fill(distance - rim, edge)
        self.fill(distance, colour)

    def stroke(
        self,
        distance: Tensor,
        half_width: Tensor | float,
        colour: Tensor,
        opacity: Tensor | float = 1.0,
    ) -> None:
        """Paint a line along distance 0; a line thinner than a pixel fades instead."""
        drawn = (self.pixel / 2).clamp(min=half_width)
        self.fill(distance.abs() - drawn, colour, half_width / drawn * opacity)

    def blend(self, alpha: Tensor, colour: Tensor) -> None:
        """Mix a colour in by `alpha`, (N, H, W) in [0, 1]."""
        self.image.lerp_(colour, alpha.unsqueeze(1))


def ellipse(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float) -> Tensor:
    """First-order distance to an ellipse round the origin (Taubin 1991): f / |grad f|."""
    a, b = x / rx, y / ry
    value = torch.addcmul(a * a, b, b) - 1
    slope = torch.addcmul((a / rx).square_(), b / ry, b / ry).sqrt_().mul_(2).clamp_(min=1e-6)
    return value.div_(slope)


def rounded_box(
    x: Tensor, y: Tensor, half_x: Tensor, half_y: Tensor | float, corner: Tensor | float
) -> Tensor:
    """Distance to a box round the origin with corners of radius `corner`."""
    a, b = x.abs() - (half_x - corner), y.abs() - (half_y - corner)
    outside = (a.clamp(min=0).square_() + b.clamp(min=0).square_()).sqrt_()
    return outside + torch.maximum(a, b).clamp_(max=0) - corner


def segment(
    x: Tensor, y: Tensor, start: tuple[Tensor | float, ...], end: tuple[Tensor | float, ...]
) -> Tensor:
    """Distance to the line from `start` to `end`, without thickness."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    x, y = x - start[0], y - start[1]
    share = ((x * along_x + y * along_y) / (along_x**2 + along_y**2)).clamp_(0, 1)
    return ((x - share * along_x).square_() + (y - share * along_y).square_()).sqrt_()


def bump(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float) -> Tensor:
    """Soft spot: 1 at the origin, falling smoothly to 0 at the ellipse (rx, ry)."""
    a, b = x / rx, y / ry
    return (1 - torch.addcmul(a * a, b, b)).clamp_(min=0).square_()


def colour(red: Tensor, green: Tensor, blue: Tensor) -> Tensor:
    """Three (N, 1, 1) in [0, 1], clipped → (N, 3, 1, 1)."""
    return torch.stack((red, green, blue), dim=1).clamp(0, 1)


def plain(like: Tensor, red: int, green: int, blue: int) -> Tensor:
    """The same colour, 0-255, for each of the N images of `like` → (N, 3, 1, 1)."""
    rgb = like.new_tensor([red, green, blue]) / 255
    return rgb.view(1, 3, 1, 1).expand(len(like), 3, 1, 1).clone()


def ramp(position: Tensor, stops: tuple[tuple[int, int, int], ...]) -> Tensor:
    """Colour at `position` (N, 1, 1) in [0, 1] on the way through `stops` → (N, 3, 1, 1)."""
    place = position.flatten().double().numpy() * (len(stops) - 1)
    channels = [
        np.interp(place, range(len(stops)), channel) for channel in zip(*stops, strict=True)
    ]
    return torch.tensor(np.stack(channels, axis=1) / 255, dtype=torch.float32)[..., None, None]


def mixed_colour(lightness: Tensor, warmth: Tensor, tint: Tensor) -> Tensor:
    """Colour from three numbers in [0, 1]: dark to light, blue to orange, green to magenta."""
    level, warm, pink = 0.14 + 0.78 * lightness, warmth - 0.5, tint - 0.5
    return colour(
        level + 0.34 * warm + 0.12 * pink, level - 0.22 * pink, level - 0.40 * warm + 0.12 * pink
    )
