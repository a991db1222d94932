"""Networks on disk: a diffusers folder with ``unet/`` and ``scheduler/``; fresh networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from diffusers import DDPMScheduler, UNet2DModel
from torch import nn

from unidad.errors import UserError
from unidad.files import read_json
from unidad.networks.diffusion_network import DiffusionNetwork
from unidad.networks.weights import State, check_state, read_weights

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
FORMER_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}

Model = TypeVar("Model", bound=nn.Module)


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
    unet = load_model(unet_folder, _build_unet, LAYOUT, rename=present_names)
    scheduler = load_scheduler(scheduler_folder, LAYOUT)
    try:
        return DiffusionNetwork(unet, scheduler, bf16).eval()
    except ValueError as error:
        raise UserError(f"{folder}: {error}") from None


def model_parts(folder: Path) -> tuple[Path, Path]:
    """The folders of the U-Net and of the scheduler in a model folder."""
    if (folder / "config.json").is_file():
        return folder, folder
    return folder / "unet", folder / "scheduler"


def load_model(
    folder: Path,
    build: Callable[[dict], Model],
    layout: str,
    weights: Path | None = None,
    rename: Callable[[State], State] | None = None,
) -> Model:
    """Build a model from ``config.json`` and load its weights, as float32.

    Args:
        folder: of this model.
        build: configuration → model.
        layout: what a whole folder looks like, the end of the message if there is none.
        weights: their file, by default the folder's own; see `read_weights`.
        rename: brings names of older releases to those of today.

    Raises:
        UserError: a missing or unreadable file, or weights of another architecture.
    """
    config_file = folder / "config.json"
    config = read_json(config_file, layout)
    try:
        model = build(config)
    except UserError as error:
        raise UserError(f"{config_file}: {error}") from None
    except Exception as error:  # whatever a library's constructor makes of the values
        message = " ".join(str(error).split())
        raise UserError(f"{config_file}: no model of this kind ({message})") from None
    weights = weights or folder / WEIGHTS_NAME
    state = read_weights(weights)
    if rename is not None:
        state = rename(state)
    check_state(state, model.state_dict(), str(weights))
    model.load_state_dict(state)
    return model


def _build_unet(config: dict) -> UNet2DModel:
    kind = config.get("_class_name")
    if kind != "UNet2DModel":
        raise UserError(f"_class_name: expected UNet2DModel, found {kind}")
    for key, value in EXPECTED.items():
        if config.get(key, value) != value:
            raise UserError(f"{key}: only {value} is supported, found {config[key]}")
    if config.get("sample_size") is None:
        raise UserError("sample_size: missing; write the model's resolution there")
    return UNet2DModel.from_config(config)


def present_names(state: State) -> State:
    """Names of weights as of today; diffusers once named attention layers otherwise."""
    return {_present_name(name): tensor for name, tensor in state.items()}


def _present_name(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    module, _, layer = stem.rpartition(".")
    former = ".attentions." in name and layer in FORMER_ATTENTION
    return f"{module}.{FORMER_ATTENTION[layer]}.{kind}" if former else name


def load_scheduler(folder: Path, layout: str) -> DDPMScheduler:
    """Load betas and prediction type, whichever scheduler they were stored with.

    Raises:
        UserError: a missing or unreadable file, a process without betas (flow matching) or with
            infinite noise (zero terminal SNR), or an unknown prediction type.
    """
    config_file = folder / "scheduler_config.json"
    config = read_json(config_file, layout)
    if "beta_schedule" not in config:
        raise UserError(
            f"{config_file}: no 'beta_schedule'; only diffusion with betas is supported"
        )
    try:
        scheduler = DDPMScheduler.from_config(config)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise UserError(f"{config_file}: {error}") from None
    prediction = scheduler.config.prediction_type
    if prediction not in PREDICTIONS:
        raise UserError(
            f"{config_file}: prediction_type is {prediction!r}; choose one of {PREDICTIONS}"
        )
    if scheduler.alphas_cumprod[-1] == 0:
        raise UserError(
            f"{config_file}: rescale_betas_zero_snr makes the last noise level infinite; "
            "only models trained without it are supported"
        )
    return scheduler


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
