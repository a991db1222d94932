"""Classifier-free guidance of a teacher."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unidad.networks.backbone import Backbone


class Guided(nn.Module):
    """A network under classifier-free guidance (Ho & Salimans 2022), with its contract.

    ``x0 = x0_null + scale * (x0_condition - x0_null)``, both from one pass over 2 N images. The
    released formula guides the noise; x0 is affine in it at a given x and sigma, so both agree.

    Args:
        net: the network to guide; shared, not copied.
        null: embeddings of the empty prompt, (1, L, D).
        scale: 1 means no guidance; see `guided`.
    """

    def __init__(self, net: Backbone, null: Tensor, scale: float):
        super().__init__()
        self.net = net
        self.scale = scale
        self.register_buffer("null", null, persistent=False)

    def forward(self, x: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        """Guided x0 prediction; arguments and result as for the network itself."""
        conditions = torch.cat([self.null.expand_as(condition), condition])
        without, with_condition = self.net(
            torch.cat([x, x]), torch.cat([sigma, sigma]), conditions
        ).chunk(2)
        return without + self.scale * (with_condition - without)


def guided(net: Backbone, null: Tensor, scale: float) -> Backbone | Guided:
    """The network under guidance; at scale 1 the network itself, which costs one pass."""
    return net if scale == 1 else Guided(net, null, scale)
