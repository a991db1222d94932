"""The U-Net that is trained and sampled, and a pass through it as the formulas are written."""

from __future__ import annotations

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn

from unidad.networks.adm import Architecture, adm_scheduler, unet_config
from unidad.networks.unet import UNet


def adm(resolution: int, channels: tuple[int, ...], head_channels: int = 32) -> UNet:
    """A random guided-diffusion U-Net, the kind of the paper's, at another size.

    One residual block a level, attention at the coarsest one, learned variance; drawn from torch's
    global generator.
    """
    attention = tuple(level == len(channels) - 1 for level in range(len(channels)))
    architecture = Architecture(3, 6, channels, 1, attention, "resnet", "scale_shift")
    unet = UNet2DModel(**unet_config(architecture, head_channels, resolution))
    return UNet(unet, adm_scheduler(architecture.learned_variance))


class PlainNetwork(nn.Module):
    """``net(x, sigma) -> x0`` over a U-Net that predicts epsilon, in torch's own memory format."""

    def __init__(self, network: UNet):
        super().__init__()
        self.unet = network.model.to(memory_format=torch.contiguous_format)
        self.register_buffer("alpha_bar", 1 / (1 + network.trained_levels.double() ** 2))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Predict x0 of x (N, 3, H, W) at noise levels sigma (N,)."""
        wanted = 1 / (1 + sigma.double() ** 2)
        t = (self.alpha_bar - wanted[:, None]).abs().argmin(1)
        sigma = sigma[:, None, None, None]
        eps = self.unet(x / (1 + sigma**2).sqrt(), t).sample[:, :3]
        return x - sigma * eps

    def encoder_features(self, x: Tensor, sigma: Tensor) -> list[Tensor]:
        """Outputs of the encoder's blocks and of the middle one, caught in a whole pass."""
        caught = []
        hooks = [
            block.register_forward_hook(lambda _, __, out: caught.append(out))
            for block in (*self.unet.down_blocks, self.unet.mid_block)
        ]
        self(x, sigma)
        for hook in hooks:
            hook.remove()
        return [out[0] if isinstance(out, tuple) else out for out in caught]
