"""From scenes to pictures, at any resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from unidad.errors import UserError
from unidad.synthetic.scenes.animals import DRAW_ACCESSORY, DRAW_ANIMAL
from unidad.synthetic.scenes.attributes import Scenes
from unidad.synthetic.scenes.brush import Frame, Layer, band, fur_colours, object_colours, rgb
from unidad.synthetic.scenes.contexts import DRAW_CONTEXT
from unidad.synthetic.scenes.grammar import LIVE
from unidad.synthetic.scenes.objects import DRAW_OBJECT
from unidad.synthetic.scenes.placement import FLOATING, FOOT, MIRROR, placement
from unidad.synthetic.scenes.properties import CHANGE_SUBJECT, draw_cube
from unidad.synthetic.shapes import Canvas, Tensor, bump, ellipse

RESOLUTIONS = tuple(range(16, 129, 16))
SUPERSAMPLING = 2
CHUNK_PIXELS = 2**15
"""Pixels drawn at once by one function: few enough to stay in the processor's cache."""
BLOCK_PIXELS = 2**21
"""Pixels of the scenes that are sorted by what is to be drawn: they bound the memory."""

FURRY = (*LIVE, "stuffed animal")

Values = dict[str, Tensor]
Brushes = dict[str, Callable[[Layer, Frame], None]]


def render(scenes: Scenes, resolution: int = 32) -> np.ndarray:
    """Draw scenes; a scene looks the same in any batch.

    Args:
        scenes: from `source_scenes`, `subject_scenes` or `training_photos`.
        resolution: height and width in pixels, a multiple of 16 from 16 to 128.

    Returns:
        uint8 (N, resolution, resolution, 3), RGB.

    Raises:
        UserError: the resolution is not such a number.
    """
    return _render(scenes, resolution)[..., :3]


def subject_masks(scenes: Scenes, resolution: int = 32) -> np.ndarray:
    """Share of each pixel that shows the subject and what is on it, as uint8 in [0, 255].

    Arguments and errors as for `render`; the result is (N, resolution, resolution).
    """
    return _render(scenes, resolution)[..., 3]


def _render(scenes: Scenes, resolution: int) -> np.ndarray:
    """Picture and mask, uint8 (N, H, W, 4)."""
    if resolution not in RESOLUTIONS:
        raise UserError(f"resolution {resolution} is not a multiple of 16 from 16 to 128")
    resolution = int(resolution)
    images = np.empty((len(scenes), resolution, resolution, 4), dtype=np.uint8)
    block = BLOCK_PIXELS // (resolution * SUPERSAMPLING) ** 2
    for start in range(0, len(scenes), block):
        part = slice(start, start + block)
        images[part] = _Block(scenes[part], resolution).draw()
    return images


class _Block:
    """Scenes that are drawn together, one kind of thing after the other."""

    def __init__(self, scenes: Scenes, resolution: int) -> None:
        self.scenes, self.resolution = scenes, resolution
        self.size = resolution * SUPERSAMPLING
        self.chunk = max(1, CHUNK_PIXELS // self.size**2)
        numbers = scenes.values | placement(scenes)
        self.a = {name: torch.from_numpy(array).view(-1, 1, 1) for name, array in numbers.items()}
        ticks = (torch.arange(self.size) + 0.5) * (2 / self.size) - 1
        self.x, self.y = ticks.view(1, 1, -1), ticks.view(1, -1, 1)

    @torch.no_grad()
    def draw(self) -> np.ndarray:
        """Picture and mask, uint8 (N, H, W, 4)."""
        picture = self._contexts()
        self._mirror(picture)
        image, cover = self._subjects(self.y)
        self._float(picture, image, cover)
        picture.mul_(1 - cover.unsqueeze(1)).add_(image)
        fine = torch.cat((picture, cover.unsqueeze(1)), dim=1).clamp_(0, 1)
        pixels = avg_pool2d(fine, SUPERSAMPLING).mul_(255).round_().to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).numpy()

    def _each(self, part: str) -> Iterator[tuple[str, np.ndarray]]:
        """Every word of this part of the scenes, with a few rows at a time that have it."""
        words = self.scenes.words(part)
        for word in np.unique(words):
            rows = np.flatnonzero(words == word)
            for start in range(0, len(rows), self.chunk):
                yield str(word), rows[start : start + self.chunk]

    def _take(self, rows: np.ndarray) -> Values:
        chosen = torch.from_numpy(rows)
        return {name: array[chosen] for name, array in self.a.items()}

    def _contexts(self) -> Tensor:
        """Where the scenes take place, with what the subjects leave on the ground."""
        picture = torch.zeros(len(self.scenes), 3, self.size, self.size)
        wet = torch.from_numpy(self.scenes.words("property") == "wet").view(-1, 1, 1)
        for context, rows in self._each("context"):
            a = self._take(rows)
            canvas = Canvas(picture[rows], torch.full((len(rows), 1, 1), 2 / self.size))
            DRAW_CONTEXT[context](canvas, a, self.x, self.y)
            if context not in FLOATING:
                self._mark_ground(canvas, a, wet[rows])
            picture[rows] = canvas.image
        return picture

    def _mark_ground(self, canvas: Canvas, a: Values, wet: Tensor) -> None:
        """The subject's shadow, and a puddle if it is wet."""
        x, y = (self.x - a["centre"]) / a["scale"], (self.y - a["foot"]) / a["scale"]
        canvas.fill(ellipse(x, y, 0.95, 0.2), rgb(120, 196, 250), wet * 0.9)
        canvas.blend(0.55 * bump(x, y, 0.95, 0.2), rgb(20, 16, 24))

    def _mirror(self, picture: Tensor) -> None:
        """The subject upside down below its foot."""
        rows = np.flatnonzero(self.scenes.words("context") == MIRROR)
        block = _Block(self.scenes[rows], self.resolution)
        foot = block.a["foot"]
        image, cover = block._subjects(2 * foot - self.y)
        seen = 0.55 * band(self.y - foot, 20).unsqueeze(1)
        picture[rows] = picture[rows] * (1 - seen * cover.unsqueeze(1)) + seen * image

    def _subjects(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Premultiplied colours and cover of the subjects, at heights y (1 or N, H, 1)."""
        count = len(self.scenes)
        image = torch.zeros(count, 3, self.size, self.size)
        cover = torch.zeros(count, self.size, self.size)
        y = y.expand(count, -1, 1)

        def paint(part: str, brushes: Brushes, inside: bool = True) -> None:
            for word, rows in self._each(part):
                if word in brushes:
                    a = self._take(rows)
                    pixel = 2 / self.size / a["scale"] / (a["inset"] if inside else 1)
                    layer = Layer(image[rows], pixel, cover[rows])
                    brushes[word](layer, self._frame(a, rows, y[rows], inside))
                    image[rows], cover[rows] = layer.image, layer.cover

        paint("property", {"cube shaped": draw_cube}, inside=False)
        paint("category", DRAW_OBJECT | DRAW_ANIMAL)
        paint("property", CHANGE_SUBJECT)
        paint("accessory", DRAW_ACCESSORY)
        return image, cover

    def _frame(self, a: Values, rows: np.ndarray, y: Tensor, inside: bool) -> Frame:
        """The subject's coordinates, or those of the cube that it lies on."""
        x, y = (self.x - a["centre"]) / a["scale"], (y - a["foot"]) / a["scale"]
        u = (a["cos"] * x + a["sin"] * y) * a["flip"]
        v = a["cos"] * y - a["sin"] * x + FOOT
        if inside:
            u, v = (u - a["inset_u"]) / a["inset"], (v - a["inset_v"]) / a["inset"]
        furry = np.isin(self.scenes.words("category")[rows], FURRY)
        is_furry = torch.from_numpy(furry).view(-1, 1, 1, 1)
        colours = [
            torch.where(is_furry, fur, paint)
            for fur, paint in zip(fur_colours(a), object_colours(a), strict=True)
        ]
        return Frame(a, u, v, *colours)

    def _float(self, picture: Tensor, image: Tensor, cover: Tensor) -> None:
        """Sink floating subjects: hide what is below the water line, and foam along it."""
        for context, rows in self._each("context"):
            if context not in FLOATING:
                continue
            a = self._take(rows)
            wave = 0.03 * torch.sin(11 * self.x + 6.283 * a["place_0"])
            depth = self.y - (a["foot"] - 0.3 * a["scale"]) - wave
            above = 1 - 0.92 * band(depth, 25)
            image[rows] *= above.unsqueeze(1)
            cover[rows] *= above
            reach = band(0.95 * a["scale"] - (self.x - a["centre"]).abs(), 4)
            foam = (band(0.035 - depth.abs(), 25) * reach * 0.9).unsqueeze(1)
            picture[rows] = picture[rows].lerp(rgb(255, 255, 255), foam)
