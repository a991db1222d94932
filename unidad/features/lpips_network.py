"""The published LPIPS networks as perceptual rows."""

from __future__ import annotations

import warnings

import lpips
import numpy as np
import torch
from torch import Tensor
from torchvision.models import AlexNet_Weights, VGG16_Weights

from unidad.data.image_set import to_tensor
from unidad.errors import UserError
from unidad.features.contract import Extractor
from unidad.features.perceptual import perceptual_rows
from unidad.features.pretrained import published_weights

TRUNKS = {"vgg": VGG16_Weights.IMAGENET1K_V1.url, "alex": AlexNet_Weights.IMAGENET1K_V1.url}


class LpipsNetwork(Extractor):
    """LPIPS (Zhang et al. 2018), version 0.1, one pass of the network for each image."""

    def __init__(self, network: lpips.LPIPS) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = network.to(self.device).eval().requires_grad_(False)

    @torch.inference_mode()
    def perceptual(self, images: np.ndarray, unit_range: bool = False) -> Tensor:
        """Rows (N, P) whose squared distance is the LPIPS of two images; on the network's device.

        P grows with the resolution: 8 million for VGG at 256×256, 32 MB an image.

        Args:
            images: uint8 (N, H, W, 3), at least 16×16 for VGG and 63×63 for AlexNet.
            unit_range: give the network the images in [0, 1], not in the [-1, 1] it is made for.
        """
        x = to_tensor(images).to(self.device)
        return self.perceptual_rows((x + 1) / 2 if unit_range else x)

    def perceptual_rows(self, x: Tensor) -> Tensor:
        """Rows of images (N, 3, H, W) in [-1, 1] on the network's device; differentiable."""
        maps = self.network.net(self.network.scaling_layer(x))
        return perceptual_rows(maps, [lin.model[-1].weight.flatten() for lin in self.network.lins])


def load_lpips(trunk: str) -> LpipsNetwork:
    """LPIPS with its published linear layers on torchvision's published trunk.

    Args:
        trunk: "vgg" or "alex".

    Raises:
        UserError: an unknown trunk; see `published_weights`.
    """
    if trunk not in TRUNKS:
        raise UserError(f"LPIPS trunk {trunk!r} is unknown; it is one of {', '.join(TRUNKS)}")
    weights = published_weights(TRUNKS[trunk])
    with warnings.catch_warnings(action="ignore"):
        network = lpips.LPIPS(net=trunk, pnet_rand=True, verbose=False)
    set_trunk(network, weights)
    return LpipsNetwork(network)


def set_trunk(network: lpips.LPIPS, weights: dict[str, Tensor]) -> None:
    """Copy torchvision's weights into the trunk: ``features.5.weight`` → ``slice2.5.weight``."""
    names = network.net.state_dict()
    network.net.load_state_dict({n: weights[f"features.{n.split('.', 1)[1]}"] for n in names})
