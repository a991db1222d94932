"""A fresh small text-to-image model: an untrained U-Net with autoencoder and text encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

from unidad.errors import UserError
from unidad.networks.codec import LatentCodec
from unidad.networks.folder import load_model
from unidad.networks.text import TextEncoder
from unidad.networks.text_to_image import TextToImageUNet
from unidad.synthetic.recipes import NewTextToImage

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
    settings: NewTextToImage,
) -> TextToImageUNet:
    """Write a pipeline folder whose U-Net is untrained, with cross-attention in every block.

    Args:
        vae: folder of the autoencoder.
        text: text encoder and tokenizer.
        out: pipeline folder.
        settings: of the U-Net.

    Raises:
        UserError: no readable autoencoder, or channels that do not fit.
    """
    channels = settings.channels
    if any(count % HEAD_CHANNELS for count in channels):
        raise UserError(f"channels {list(channels)}: give multiples of {HEAD_CHANNELS}")
    codec = LatentCodec(load_model(Path(vae), AutoencoderKL.from_config, VAE_LAYOUT))
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        unet = UNet2DConditionModel(
            sample_size=codec.vae.config.sample_size // codec.factor,
            in_channels=codec.channels,
            out_channels=codec.channels,
            block_out_channels=channels,
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
