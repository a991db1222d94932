"""Networks on disk: a diffusers folder with ``unet/`` and ``scheduler/``; fresh networks."""

from __future__ import annotations

from pathlib import Path

from diffusers import DDPMScheduler, UNet2DModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from unidad.checkpoint import check_state, read_json
from unidad.errors import UserError
from unidad.networks.diffusion_network import DiffusionNetwork

WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"
LAYOUT = "a model folder holds unet/ and scheduler/"
EXPECTED = {
    "time_embedding_type": "positional",
    "mid_block_type": "UNetMidBlock2D",
    "center_input_sample": False,
    "class_embed_type": None,
    "num_class_embeds": None,
}
"""Values of a U-Net's configuration that the network contract takes for granted."""
PREDICTIONS = ("epsilon", "v_prediction", "sample")
FORMER_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def load_network(folder: str | Path, bf16: bool = False) -> DiffusionNetwork:
    """Load a network from a diffusers folder; weights become float32, dropout is off.

    Args:
        folder: with ``unet/`` and ``scheduler/``, or with the files of both side by side, as
            the google/ddpm-* models have them.
        bf16: as for `DiffusionNetwork`.

    Raises:
        UserError: a missing or unreadable file, a model of another kind, or weights of another
            architecture: the message names the first key that does not fit.
    """
    folder = Path(folder)
    unet_folder, scheduler_folder = model_parts(folder)
    unet = _build(unet_folder / "config.json")
    weights = unet_folder / WEIGHTS_NAME
    if not weights.is_file():
        raise UserError(f"{weights}: weights are missing; train or copy the model there first")
    state = {
        _present_name(name): tensor.float() for name, tensor in read_safetensors(weights).items()
    }
    check_state(state, unet.state_dict(), str(weights))
    unet.load_state_dict(state)
    scheduler = _load_scheduler(scheduler_folder / "scheduler_config.json")
    try:
        return DiffusionNetwork(unet, scheduler, bf16).eval()
    except ValueError as error:
        raise UserError(f"{folder}: {error}") from None


def model_parts(folder: Path) -> tuple[Path, Path]:
    """The folders of the U-Net and of the scheduler in a model folder."""
    if (folder / "config.json").is_file():
        return folder, folder
    return folder / "unet", folder / "scheduler"


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file onto the CPU.

    Raises:
        UserError: it is not readable as one.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error})") from None


def _build(path: Path) -> UNet2DModel:
    config = read_json(path, LAYOUT)
    kind = config.get("_class_name")
    if kind != "UNet2DModel":
        raise UserError(f"{path}: _class_name: expected UNet2DModel, found {kind}")
    for key, value in EXPECTED.items():
        if config.get(key, value) != value:
            raise UserError(f"{path}: {key}: only {value} is supported, found {config[key]}")
    if config.get("sample_size") is None:
        raise UserError(f"{path}: sample_size: missing; write the model's resolution there")
    try:
        return UNet2DModel.from_config(config)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not the configuration of a U-Net ({reason})") from None


def _present_name(name: str) -> str:
    """The name of a weight today; diffusers once named attention layers otherwise."""
    stem, _, kind = name.rpartition(".")
    module, _, layer = stem.rpartition(".")
    former = ".attentions." in name and layer in FORMER_NAMES
    return f"{module}.{FORMER_NAMES[layer]}.{kind}" if former else name


def _load_scheduler(path: Path) -> DDPMScheduler:
    config = read_json(path, LAYOUT)
    if "beta_schedule" not in config:
        raise UserError(
            f"{path}: beta_schedule: missing; a {config.get('_class_name')} has no noise schedule "
            "of betas, which the network needs"
        )
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise UserError(
            f"{path}: prediction_type: expected {', '.join(PREDICTIONS)}, found {prediction}"
        )
    return DDPMScheduler.from_config(config)


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
