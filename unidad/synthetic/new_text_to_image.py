"""A fresh small text-to-image model: an untrained U-Net with autoencoder and text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

from unidad.errors import UserError
from unidad.networks.codec import LatentCodec
from unidad.networks.folder import load_model
from unidad.networks.text import TextEncoder
from unidad.networks.text_to_image import TextToImageUNet

HEAD_CHANNELS, GROUPS = 32, 16
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
"""The noise process of Stable Diffusion."""
VAE_LAYOUT = (
    "an autoencoder's folder holds config.json and its weights; `unidad train-vae` makes it"
)


def new_text_to_image(
    vae: str | Path,
    text: TextEncoder,
    out: str | Path,
    channels: Sequence[int],
    seed: int = 0,
) -> TextToImageUNet:
    """Write a pipeline folder whose U-Net is untrained, with cross-attention in every block.

    Args:
        vae: folder of the autoencoder.
        text: text encoder and tokenizer.
        out: pipeline folder.
        channels: of the U-Net's blocks, at halving resolutions; multiples of 32.
        seed: of the U-Net's weights.

    Raises:
        UserError: no readable autoencoder, or channels that do not fit.
    """
    if not channels or any(count < 1 or count % HEAD_CHANNELS for count in channels):
        raise UserError(f"channels {list(channels)}: give one or more multiples of {HEAD_CHANNELS}")
    codec = LatentCodec(load_model(Path(vae), AutoencoderKL.from_config, VAE_LAYOUT))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            sample_size=codec.vae.config.sample_size // codec.factor,
            in_channels=codec.channels,
            out_channels=codec.channels,
            block_out_channels=tuple(channels),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D",) * len(channels),
            up_block_types=("CrossAttnUpBlock2D",) * len(channels),
            cross_attention_dim=text.model.config.hidden_size,
            attention_head_dim=[count // HEAD_CHANNELS for count in channels],
            norm_num_groups=GROUPS,
        )
    scheduler = DDPMScheduler(**BETAS, prediction_type="v_prediction", clip_sample=False)
    network = TextToImageUNet(unet.eval(), scheduler, codec)
    network.save(out, text=text)
    return network
