"""Turns a picture into an old painting: brush strokes, few tones, sepia, canvas, vignette."""

from __future__ import annotations

import torch

from unidad.synthetic.shapes import Canvas, Tensor

SEPIA = ((26, 16, 10), (84, 50, 26), (150, 100, 54), (206, 160, 100), (246, 222, 172))
TONES = 7


def wobble(a: dict[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Bend the coordinates a little, so that outlines look drawn with a brush."""
    size = 0.012 * a["paint"]
    phases = [6.283 * a[f"brush_{i}"] for i in range(4)]
    bent_x = x + size * (torch.sin(9 * y + phases[0]) + torch.sin(17 * y + 8 * x + phases[1]))
    bent_y = y + size * (torch.sin(10 * x + phases[2]) + torch.sin(16 * x - 9 * y + phases[3]))
    return bent_x, bent_y


def finish_painting(canvas: Canvas, a: dict[str, Tensor], ticks: Tensor) -> None:
    """Posterise, tone, weave and darken the picture; `ticks` are the pixel centres in [-1, 1]."""
    x, y = ticks.view(1, 1, -1), ticks.view(1, -1, 1)
    image, paint = canvas.image, a["paint"].unsqueeze(1)
    grey = (image * image.new_tensor([0.30, 0.59, 0.11]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    level = grey * TONES
    step = level.floor()
    steps = (step + ((level - step - 0.5) * 5 + 0.5).clamp(0, 1)) / TONES
    toned = _tone(steps)
    image.mul_(steps / grey.clamp(min=0.02)).lerp_(toned, 0.3 + 0.45 * paint)
    phases = [6.283 * a[f"brush_{i}"] for i in range(6)]
    strokes = torch.sin(13 * x + 21 * y + phases[4] + 2 * torch.sin(7 * x - 5 * y + phases[5]))
    weave = torch.sin(34.6 * x) * torch.sin(34.6 * y)
    vignette = 1.2 - 0.45 * (x.square() + y.square()).clamp(max=1.7)
    shade = vignette + a["paint"] * (0.06 * strokes + 0.06 * weave)
    image.mul_(shade.unsqueeze(1))


def _tone(level: Tensor) -> Tensor:
    """Sepia of a brightness field (N, 1, H, W) in [0, 1] → (N, 3, H, W)."""
    stops = torch.tensor(SEPIA, dtype=torch.float32).t() / 255
    place = (level * (len(SEPIA) - 1)).clamp(0, len(SEPIA) - 1)
    weights = [(1 - (place - i).abs()).clamp(min=0) for i in range(len(SEPIA))]
    return sum(stops[:, i].view(1, 3, 1, 1) * weight for i, weight in enumerate(weights))
