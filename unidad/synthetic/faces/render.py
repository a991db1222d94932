"""From (domain, seed, index) to pictures at any resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.synthetic.draws import checked_indices
from unidad.synthetic.faces.attributes import DOMAINS, SourceShares, face_draws, sample_attributes
from unidad.synthetic.faces.cat import draw_cat
from unidad.synthetic.faces.human import draw_human
from unidad.synthetic.faces.painting import finish_painting, wobble
from unidad.synthetic.shapes import Canvas, Tensor, mixed_colour

RESOLUTIONS = (16, 128)
SUPERSAMPLING = 2
CHUNK_PIXELS = 2**16
DEFAULT_SHARES = SourceShares()
HIDDEN = ("second_lightness", "second_warmth", "second_tint", *(f"brush_{i}" for i in range(6)))
"""Draws that shape the picture and are too incidental to be attributes."""


def render(
    domain: str,
    seed: int,
    indices: Sequence[int] | np.ndarray | range,
    resolution: int = 32,
    shares: SourceShares = DEFAULT_SHARES,
) -> ImageSet:
    """Draw the faces with these indices; index i is the same face in any batch, at any size.

    Args:
        domain: one of DOMAINS.
        seed: at least 0; another seed is another, independent series of faces.
        indices: whole numbers, at least 0.
        resolution: height and width in pixels, 16 to 128.
        shares: rare modes of the source; the other domains ignore it.

    Returns:
        uint8 (N, resolution, resolution, 3), and every attribute in ATTRIBUTES, in [0, 1].

    Raises:
        UserError: an argument is outside its range.
    """
    _check(domain, resolution, shares)
    indices = checked_indices(seed, indices, "faces")
    draws = face_draws(domain, seed, indices)
    attributes = sample_attributes(domain, draws, shares)
    values = attributes | {name: draws(name).astype(np.float32) for name in HIDDEN}
    images = np.empty((len(indices), resolution, resolution, 3), dtype=np.uint8)
    chunk = max(1, CHUNK_PIXELS // (resolution * SUPERSAMPLING) ** 2)
    for start in range(0, len(indices), chunk):
        part = slice(start, min(start + chunk, len(indices)))
        # A chunk is always full, so that vector instructions round alike in every batch.
        padded = {name: np.resize(array[part], chunk) for name, array in values.items()}
        images[part] = _draw(domain, padded, resolution)[: part.stop - start]
    return ImageSet(images, attributes)


def _check(domain: str, resolution: int, shares: SourceShares) -> None:
    if domain not in DOMAINS:
        raise UserError(f"domain {domain!r} is unknown; choose one of {', '.join(DOMAINS)}")
    if not RESOLUTIONS[0] <= resolution <= RESOLUTIONS[1] or resolution != int(resolution):
        raise UserError(f"resolution {resolution} is not a whole number from 16 to 128")
    for name, share, most in (
        ("babies", shares.babies, 0.5),
        ("sunglasses", shares.sunglasses, 1.0),
    ):
        if not 0 <= share <= most:
            raise UserError(f"source share of {name} is {share}; it must lie in [0, {most}]")


@torch.no_grad()
def _draw(domain: str, values: dict[str, np.ndarray], resolution: int) -> np.ndarray:
    """uint8 (N, resolution, resolution, 3)."""
    a = {name: torch.from_numpy(array).view(-1, 1, 1) for name, array in values.items()}
    size = resolution * SUPERSAMPLING
    ticks = (torch.arange(size) + 0.5) * (2 / size) - 1
    count = len(a["size"])
    x, y = ticks.view(1, 1, -1), ticks.view(1, -1, 1)
    if domain == "portraits":
        x, y = wobble(a, x, y)
    canvas = Canvas(_background(a, x, y, size), torch.full((count, 1, 1), 2 / size))
    (draw_cat if domain == "cats" else draw_human)(canvas, a, x, y)
    if domain == "portraits":
        finish_painting(canvas, a, ticks)
    fine = canvas.image.clamp_(0, 1).view(count, 3, resolution, SUPERSAMPLING, resolution, -1)
    pixels = fine.mean(dim=(3, 5)).mul_(255).round_().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).numpy()


def _background(a: dict[str, Tensor], x: Tensor, y: Tensor, size: int) -> Tensor:
    """Gradient between two colours along a direction, (N, 3, size, size)."""
    first = mixed_colour(a["background_lightness"], a["background_warmth"], a["background_tint"])
    second = mixed_colour(
        *(
            a["background_" + n].lerp(a["second_" + n], a["gradient_strength"])
            for n in ("lightness", "warmth", "tint")
        )
    )
    along = (a["gradient_x"] - 0.5) * x + (a["gradient_y"] - 0.5) * y
    place = (along + 0.5).clamp(0, 1).expand(-1, size, size)
    return first.lerp(second, place.unsqueeze(1))
