"""Image sets as pictures inside a page: one row of images in one WebP file, as base64."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

SIDE = 128
"""Larger images are scaled down to so many pixels: a page of thousands stays light."""
QUALITY = 92


class Sprites:
    """The pictures of a page, in the order in which they were added."""

    def __init__(self) -> None:
        self.encoded: list[str] = []
        self.sides: list[int] = []

    def add(self, images: np.ndarray) -> int:
        """Add uint8 (N, H, W, 3), square, N at least 1; returns the sprite's number."""
        side = min(SIDE, images.shape[1])
        row = Image.new("RGB", (len(images) * side, side))
        for place, image in enumerate(images):
            picture = Image.fromarray(image)
            if picture.size != (side, side):
                picture = picture.resize((side, side), Image.Resampling.LANCZOS)
            row.paste(picture, (place * side, 0))
        file = io.BytesIO()
        row.save(file, format="WEBP", quality=QUALITY, use_sharp_yuv=True)
        self.encoded.append(base64.b64encode(file.getvalue()).decode())
        self.sides.append(side)
        return len(self.encoded) - 1
