"""The network contract, and the unconditional diffusers U-Net behind it.

What every backbone shares (scaling, timesteps, conversion of the prediction, the encoder alone) is
here; the text-conditioned one differs in `_context` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unidad.diffusion.process import per_image, timestep_levels, x0_from_eps, x0_from_v
from unidad.networks.codec import Codec, PixelUnshuffle

if TYPE_CHECKING:
    from diffusers import DDPMScheduler, UNet2DConditionModel, UNet2DModel


class DiffusionNetwork(nn.Module):
    """``net(x, sigma, condition=None) -> x0`` over a diffusers ``UNet2DModel``.

    Prediction type, input scaling, timestep mapping and precision are hidden inside.

    Args:
        unet: the trained model; six output channels for three inputs mean a learned variance,
            whose half is ignored.
        scheduler: holds betas and prediction type (``epsilon``, ``v_prediction``, ``sample``).
        bf16: run the U-Net under bfloat16 autocast; inputs and results stay float32.
        codec: images ⇄ the network's space; by default the pixel-unshuffle that the number of
            input channels stands for.
    """

    def __init__(
        self,
        unet: UNet2DModel | UNet2DConditionModel,
        scheduler: DDPMScheduler,
        bf16: bool = False,
        codec: Codec | None = None,
    ):
        super().__init__()
        self.unet = unet.to(memory_format=torch.channels_last)
        self.scheduler = scheduler
        self.bf16 = bf16
        self.codec = codec or PixelUnshuffle.for_channels(unet.config.in_channels)
        alpha_bar = scheduler.alphas_cumprod.double()
        self.register_buffer("_alpha_bar", alpha_bar, persistent=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the network's space."""
        size = self.unet.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        return self.unet.config.in_channels, height, width

    @property
    def checkpointing(self) -> bool:
        """Whether the backward pass computes activations a second time."""
        return self.unet.is_gradient_checkpointing

    @property
    def sigma_max(self) -> float:
        """The noise level of the last timestep, the highest that the model was trained at."""
        return timestep_levels(self._alpha_bar)[-1].item()

    @property
    def feature_channels(self) -> dict[str, int]:
        """Channels of each entry of `features`."""
        channels = list(self.unet.config.block_out_channels)
        names = [f"down{i}" for i in range(len(channels))]
        return dict(zip([*names, "middle"], [*channels, channels[-1]], strict=True))

    def timesteps(self, sigma: Tensor) -> Tensor:
        """The timestep whose alpha-bar is nearest to ``1 / (1 + sigma^2)``; sigma (N,) → (N,)."""
        wanted = 1 / (1 + sigma.double() ** 2)
        ascending = self._alpha_bar.flip(0)
        right = torch.searchsorted(ascending, wanted).clamp(1, len(ascending) - 1)
        nearer_left = wanted - ascending[right - 1] < ascending[right] - wanted
        return len(ascending) - 1 - (right - nearer_left.long())

    def forward(self, x: Tensor, sigma: Tensor, condition: Tensor | None = None) -> Tensor:
        """Predict x0 of ``x = x0 + sigma * eps``.

        Args:
            x: (N, C, H, W) in the network's space.
            sigma: (N,).
            condition: none here; text embeddings (N, L, D) for `TextToImageNetwork`.

        Returns:
            float32 (N, C, H, W).
        """
        with self._autocast(x):
            context = self._context(self.unet, condition)
            output = self.unet(self._scaled(x, sigma), self.timesteps(sigma), **context).sample
        output = output[:, : x.shape[1]].float()
        prediction = self.scheduler.config.prediction_type
        if prediction == "epsilon":
            return x0_from_eps(x, output, sigma)
        return x0_from_v(x, output, sigma) if prediction == "v_prediction" else output

    def features(
        self, x: Tensor, sigma: Tensor, condition: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Outputs of every encoder block and of the middle block; the decoder does not run.

        Args and shapes as for `forward`; returns name → (N, c, h, w), see `feature_channels`.
        """
        unet = self.unet
        with self._autocast(x):
            embedding = unet.time_embedding(unet.time_proj(self.timesteps(sigma)).to(x.dtype))
            hidden = unet.conv_in(self._scaled(x, sigma))
            features = {}
            for index, block in enumerate(unet.down_blocks):
                context = self._context(block, condition)
                hidden, _ = block(hidden_states=hidden, temb=embedding, **context)
                features[f"down{index}"] = hidden
            context = self._context(unet.mid_block, condition)
            features["middle"] = unet.mid_block(hidden, embedding, **context)
        return features

    def _context(self, module: nn.Module, condition: Tensor | None) -> dict[str, Tensor]:
        """Keyword arguments of the U-Net, or of a block of it, beside image and timestep."""
        return {}

    def _scaled(self, x: Tensor, sigma: Tensor) -> Tensor:
        scaled = x / (1 + per_image(sigma, x) ** 2).sqrt()
        return scaled.contiguous(memory_format=torch.channels_last)

    def _autocast(self, x: Tensor) -> torch.autocast:
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16)


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Let gradients pass *through* the modules without being computed *for* their weights.

    Under gradient checkpointing this changes nothing: the second forward pass comes after this
    block, and must find the weights as the first one did.
    """
    frozen_now = [module for module in modules if not getattr(module, "checkpointing", False)]
    parameters = [p for module in frozen_now for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
