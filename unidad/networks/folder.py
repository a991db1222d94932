"""Networks on disk: a diffusers folder with ``unet/`` and ``scheduler/``; fresh networks."""

from __future__ import annotations

from pathlib import Path

from diffusers import DDPMScheduler, UNet2DModel
from safetensors import SafetensorError
from safetensors.torch import load_file

from unidad.checkpoint import check_state, read_json
from unidad.errors import UserError
from unidad.networks.diffusion_network import DiffusionNetwork

WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"
LAYOUT = "a model folder holds unet/ and scheduler/"


def load_network(folder: str | Path, bf16: bool = False) -> DiffusionNetwork:
    """Load a network from a diffusers folder; weights become float32, dropout is off.

    Raises:
        UserError: a missing or unreadable file, or weights of another architecture: the message
            names the first key that does not fit.
    """
    folder = Path(folder)
    unet = UNet2DModel.from_config(read_json(folder / "unet" / "config.json", LAYOUT))
    weights = folder / "unet" / WEIGHTS_NAME
    if not weights.is_file():
        raise UserError(f"{weights}: weights are missing; train or copy the model there first")
    try:
        state = {name: tensor.float() for name, tensor in load_file(weights).items()}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{weights}: not a readable safetensors file ({error})") from None
    check_state(state, unet.state_dict(), str(weights))
    unet.load_state_dict(state)
    scheduler = DDPMScheduler.from_config(
        read_json(folder / "scheduler" / "scheduler_config.json", LAYOUT)
    )
    try:
        return DiffusionNetwork(unet, scheduler, bf16).eval()
    except ValueError as error:
        raise UserError(f"{folder}: {error}") from None


def new_network(
    resolution: int,
    unshuffle: int = 2,
    channels: tuple[int, ...] = (64, 128, 128),
    layers: int = 1,
    prediction_type: str = "v_prediction",
    bf16: bool = False,
) -> DiffusionNetwork:
    """A fresh small U-Net for RGB images, randomly initialised from torch's global generator.

    Args:
        resolution: of the images, in pixels.
        unshuffle: pixel-unshuffle factor of the codec.
        channels: of the U-Net's blocks, at halving resolutions; attention in the last one.
        layers: residual blocks in each.
        prediction_type: ``epsilon``, ``v_prediction`` or ``sample``.
        bf16: as for `DiffusionNetwork`.
    """
    attention = [False] * (len(channels) - 1) + [True]
    unet = UNet2DModel(
        sample_size=resolution // unshuffle,
        in_channels=3 * unshuffle**2,
        out_channels=3 * unshuffle**2,
        block_out_channels=tuple(channels),
        layers_per_block=layers,
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attention],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in attention[::-1]],
        norm_num_groups=16,
        attention_head_dim=32,
    )
    return DiffusionNetwork(unet, DDPMScheduler(prediction_type=prediction_type), bf16)
