"""A head's own coordinates: tilted and turned as the attributes say."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from unidad.synthetic.shapes import Tensor


def posed(a: dict[str, Tensor], x: Tensor, y: Tensor, shift: float, bend: float) -> SimpleNamespace:
    """Coordinates of a head that is centred on (x, y) = 0.

    (u, v) is the frame of the upright head; (fu, v) follows its turn `yaw`; `mirrored` and `sign`
    fold fu, so that pairs are drawn at once.

    Args:
        a: attributes, each (N, 1, 1).
        x: (N, H, W), in units of the head.
        y: likewise, downwards.
        shift: how far a whole turn moves the middle of the face.
        bend: how much nearer it brings the far side.
    """
    angle = (a["roll"] - 0.5) * 0.7
    u, v = torch.cos(angle) * x + torch.sin(angle) * y, torch.cos(angle) * y - torch.sin(angle) * x
    yaw = (a["yaw"] - 0.5) * 2
    turned = u - shift * yaw
    fu = turned + bend * yaw * turned.square()
    return SimpleNamespace(x=x, y=y, u=u, v=v, fu=fu, mirrored=fu.abs(), sign=fu.sign(), yaw=yaw)
