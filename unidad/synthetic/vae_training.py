"""Training of the small autoencoder of synthetic scenes, and its card."""

from __future__ import annotations

import math

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from unidad.data.image_set import to_tensor, to_uint8
from unidad.files import atomic_folder
from unidad.networks.codec import LatentCodec
from unidad.networks.folder import WEIGHTS_NAME, save_model
from unidad.synthetic.descent import Descent, Making, seeded
from unidad.synthetic.pages import provenance, write_card
from unidad.synthetic.recipes import AutoencoderTraining
from unidad.synthetic.scenes import render, source_scenes

CHANNELS = (24, 48, 64)
"""Of the blocks, at halving resolutions: latents are a quarter as high and wide as images."""
GROUPS = 8
BATCH = 32
DESCENT = Descent(rate=2e-3, warmup_share=0.05, weight_decay=0.01, clip_norm=1.0, fused=True)
HELD_OUT_START, HELD_OUT_IMAGES = 10_000_000, 512
"""Scenes that training never reaches, for the latents' spread and for the card."""
SHOWN = 10


def train(settings: AutoencoderTraining, making: Making) -> float:
    """Train an ``AutoencoderKL`` and write it, with its card and a picture, into a folder.

    Computed under bfloat16 autocast. ``scaling_factor`` brings the latents of held-out scenes to
    unit variance.

    Args:
        settings: seed, updates and scenes.
        making: its resolution, of the images, is a multiple of 16.

    Returns:
        PSNR of held-out scenes, in dB.

    Raises:
        UserError: resolution out of range.
    """
    vae = _trained(settings, making)
    indices = range(HELD_OUT_START, HELD_OUT_START + HELD_OUT_IMAGES)
    held_out = _tensor(render(source_scenes(settings.seed, indices), making.resolution))
    vae.register_to_config(scaling_factor=1 / latents_std(vae, held_out))
    shown = reconstructed(vae, held_out)
    psnr = peak_signal_to_noise(shown, held_out)
    with atomic_folder(making.out) as folder:
        save_model(vae, folder)
        _picture(held_out, shown).save(folder / "reconstructions.png")
        facts = {
            **provenance(vae, folder / WEIGHTS_NAME, settings.seed, making.command, "float32"),
            "updates": f"{settings.updates:,} of {BATCH} of {settings.scenes:,} scenes",
            f"PSNR of {HELD_OUT_IMAGES} held-out scenes": f"{psnr:.2f} dB",
            "scaling_factor": f"{vae.config.scaling_factor:.4f}",
        }
        write_card(folder, "Autoencoder of synthetic scenes", _about(vae), facts)
    return psnr


def told(psnr: float) -> str:
    """What a training says of the autoencoder that it made."""
    return f"{psnr:.2f} dB on held-out scenes"


def new_vae(resolution: int, latent_channels: int = 8) -> AutoencoderKL:
    """A fresh autoencoder of RGB images, randomly initialised from torch's global generator."""
    return AutoencoderKL(
        block_out_channels=CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * len(CHANNELS),
        up_block_types=("UpDecoderBlock2D",) * len(CHANNELS),
        latent_channels=latent_channels,
        norm_num_groups=GROUPS,
        sample_size=resolution,
        mid_block_add_attention=False,
        force_upcast=False,
    )


def vae_loss(
    decoded: Tensor,
    images: Tensor,
    posterior: DiagonalGaussianDistribution,
    divergence_weight: float,
) -> Tensor:
    """Errors of pixels, absolute and squared, and of their differences, and the divergence.

    Args:
        decoded: (N, 3, H, W) from a sample of the posterior.
        images: (N, 3, H, W) in [-1, 1].
        posterior: of the images.
        divergence_weight: of its divergence from the standard normal distribution, for each latent.
    """
    error = decoded - images
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    divergence = posterior.kl().mean() / posterior.mean[0].numel()
    return error.abs().mean() + error.square().mean() + edges + divergence_weight * divergence


@torch.no_grad()
def latents_std(vae: AutoencoderKL, images: Tensor) -> float:
    """Standard deviation of the posterior's means over images and channels."""
    means = [vae.encode(part).latent_dist.mean for part in images.split(BATCH)]
    return torch.cat(means).std().item()


@torch.no_grad()
def reconstructed(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Images (N, 3, H, W) in [-1, 1], encoded and decoded, clipped to that range."""
    codec = LatentCodec(vae)
    parts = [codec.decode(codec.encode(part)) for part in images.split(BATCH)]
    return torch.cat(parts).clamp(-1, 1)


def peak_signal_to_noise(images: Tensor, truth: Tensor) -> float:
    """PSNR in dB of images with values from -1 to 1, of the squared error over all of them."""
    return 10 * math.log10(4 / F.mse_loss(images, truth).item())


def _trained(settings: AutoencoderTraining, making: Making) -> AutoencoderKL:
    vae = seeded(settings.seed, lambda: new_vae(making.resolution, settings.latent_channels))
    vae = vae.to(memory_format=torch.channels_last)
    chance = torch.Generator().manual_seed(settings.seed)
    scenes = render(source_scenes(settings.seed, range(settings.scenes)), making.resolution)

    def loss(update: int) -> Tensor:
        rows = torch.randint(settings.scenes, (BATCH,), generator=chance).numpy()
        images = _tensor(scenes[rows])
        with torch.autocast("cpu", torch.bfloat16):
            posterior = DiagonalGaussianDistribution(
                vae.encode(images).latent_dist.parameters.float()
            )
            decoded = vae.decode(posterior.sample(chance)).sample
        return vae_loss(decoded.float(), images, posterior, settings.divergence_weight)

    DESCENT.run(vae, loss, settings.updates, "autoencoder", making.progress)
    return vae.eval()


def _tensor(images: np.ndarray) -> Tensor:
    return to_tensor(images).contiguous(memory_format=torch.channels_last)


def _picture(truth: Tensor, shown: Tensor) -> Image.Image:
    """Two rows, enlarged: some images, and the same reconstructed."""
    rows = [np.concatenate(list(to_uint8(part[:SHOWN])), axis=1) for part in (truth, shown)]
    image = Image.fromarray(np.concatenate(rows))
    return image.resize((3 * image.width, 3 * image.height), Image.Resampling.NEAREST)


def _about(vae: AutoencoderKL) -> str:
    side = vae.config.sample_size
    size = side // 2 ** (len(CHANNELS) - 1)
    return (
        f"An AutoencoderKL: scenes of {side}x{side} pixels as latents of "
        f"{vae.config.latent_channels}x{size}x{size}. `reconstructions.png` shows held-out scenes "
        "above, and what is left of them below."
    )
