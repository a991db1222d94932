"""Checkpoints of guided-diffusion as diffusers U-Nets.

guided-diffusion is the code of ADM (Dhariwal & Nichol 2021, "Diffusion models beat GANs on image
synthesis"). Nothing but the names and shapes of its weights is relied upon; its files are read as
bare tensors, never unpickled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor

from unidad.errors import UserError
from unidad.networks.unet import UNet
from unidad.networks.weights import check_state, read_weights

GROUPS = 32
"""Of every normalisation in guided-diffusion."""
HEAD_CHANNELS = 64
RESOLUTION = 256

RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
UPSAMPLER = re.compile(r"output_blocks\.(\d{1,4})\.[12]\.(in_layers|emb_layers|out_layers|conv)\.")


@dataclass(frozen=True)
class Architecture:
    """What the names and shapes of the weights tell of a guided-diffusion U-Net."""

    in_channels: int
    out_channels: int
    """Twice as many where the variance is learned."""
    channels: tuple[int, ...]
    """Of each block, at halving resolutions."""
    layers: int
    """Residual layers of an encoder block."""
    attention: tuple[bool, ...]
    """Which blocks have self-attention; the middle block always has."""
    resampling: str
    """``resnet`` (residual blocks that halve and double) or ``conv``, as diffusers names them."""
    time_scale_shift: str
    """How the time enters a residual block: ``scale_shift`` or ``default`` (added)."""

    @property
    def learned_variance(self) -> bool:
        """Whether half of the output channels is the noise's variance."""
        return self.out_channels > self.in_channels


def load_adm(
    path: Path,
    head_channels: int = HEAD_CHANNELS,
    resolution: int = RESOLUTION,
    new_attention_order: bool = False,
    drop_variance: bool = False,
) -> UNet:
    """Read an unconditional guided-diffusion checkpoint.

    Args:
        path: ``.safetensors``, or what ``torch.save`` wrote of a state dict.
        head_channels: width of an attention head, which the weights do not tell.
        resolution: of the images in pixels, which the weights do not tell.
        new_attention_order: a qkv convolution gives all q, then all k, then all v
            (``use_new_attention_order``), instead of q, k, v head by head.
        drop_variance: keep the channels of the noise prediction alone.

    Returns:
        The U-Net in float32, with a linear schedule of 1000 timesteps, epsilon prediction.

    Raises:
        UserError: not such a file, an architecture that `UNet2DModel` cannot express, or a
            missing, unexpected or misshapen tensor, which is named.
    """
    state = read_state(path)
    architecture = infer_architecture(state, path)
    if drop_variance:
        check_weights(state, architecture, path)
        architecture = _drop_variance(state, architecture, path)
    unet, targets = check_weights(state, architecture, path, head_channels, resolution)
    shapes = {name: tensor.shape for name, tensor in unet.state_dict().items()}
    weights: dict[str, Tensor] = {}
    for name, keys in targets.items():
        parts = _split(state.pop(name), keys, head_channels, new_attention_order)
        weights |= {key: part.reshape(shapes[key]) for key, part in zip(keys, parts, strict=True)}
    unet.to_empty(device="cpu").load_state_dict(weights)
    return UNet(unet.eval(), adm_scheduler(architecture.learned_variance))


def adm_scheduler(learned_variance: bool) -> DDPMScheduler:
    """guided-diffusion's linear schedule: 1000 betas from 0.0001 to 0.02, epsilon prediction."""
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_start=0.0001,
        beta_end=0.02,
        beta_schedule="linear",
        prediction_type="epsilon",
        variance_type="learned_range" if learned_variance else "fixed_large",
    )


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a file of named floating-point tensors, onto the CPU.

    Raises:
        UserError: no such file, or it holds anything else.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a checkpoint, .pt or .safetensors")
    state = read_weights(path)
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            raise UserError(
                f"{path}: '{name}': expected floating-point numbers, found {tensor.dtype}; "
                "save the bare state dict of the U-Net"
            )
    return state


def infer_architecture(state: dict[str, Tensor], where: Path) -> Architecture:
    """Infer the architecture from the weights' names and shapes.

    Args:
        state: of a guided-diffusion U-Net.
        where: file, for messages.

    Raises:
        UserError: class-conditional, no such U-Net, or nothing that `UNet2DModel` can express.
    """
    if "label_emb.weight" in state:
        raise UserError(
            f"{where}: 'label_emb.weight': class-conditional; only unconditional models can be read"
        )
    upsamplers = {int(m[1]): m[2] for m in map(UPSAMPLER.match, state) if m}
    if not upsamplers:
        raise UserError(
            f"{where}: no up-sampling layers in 'output_blocks': UNet2DModel cannot express "
            "resampling without weights (conv_resample=False), and one block is no U-Net"
        )
    layers = min(upsamplers)
    starts = [1 + block * (layers + 1) for block in range(len(upsamplers) + 1)]
    channels = tuple(
        _length(state, f"input_blocks.{start}.0.in_layers.2.weight", 0, where) for start in starts
    )
    _refuse_widths(_length(state, "time_embed.0.weight", 1, where), channels, where)
    time = _length(state, "input_blocks.1.0.emb_layers.1.weight", 0, where)
    return Architecture(
        *_image_channels(state, where),
        channels,
        layers,
        tuple(_has_attention(state, range(start, start + layers)) for start in starts),
        "conv" if "conv" in upsamplers.values() else "resnet",
        "scale_shift" if time == 2 * channels[0] else "default",
    )


def _length(state: dict[str, Tensor], name: str, axis: int, where: Path) -> int:
    try:
        return state[name].shape[axis]
    except (KeyError, IndexError):
        raise UserError(
            f"{where}: not a guided-diffusion U-Net: no fit '{name}' in the file"
        ) from None


def _image_channels(state: dict[str, Tensor], where: Path) -> tuple[int, int]:
    ins = _length(state, "input_blocks.0.0.weight", 1, where)
    outs = _length(state, "out.2.weight", 0, where)
    if ins != 3:
        raise UserError(
            f"{where}: 'input_blocks.0.0.weight': {ins} input channels; "
            "only models of RGB images, which have 3, can be read"
        )
    if outs not in (3, 6):
        raise UserError(
            f"{where}: 'out.2.weight': {outs} output channels; "
            "expected 3, or 6 with a learned variance"
        )
    return ins, outs


def _has_attention(state: dict[str, Tensor], blocks: range) -> bool:
    prefixes = tuple(f"input_blocks.{block}.1." for block in blocks)
    return any(name.startswith(prefixes) for name in state)


def _refuse_widths(base: int, channels: tuple[int, ...], where: Path) -> None:
    if channels[0] != base:
        raise UserError(
            f"{where}: the first block has {channels[0]} channels, the time embedding {base}; "
            "UNet2DModel cannot express a first channel multiplier other than 1"
        )
    for width in channels:
        if width < GROUPS or width % GROUPS:
            raise UserError(f"{where}: a block of {width} channels; expected multiples of {GROUPS}")


def check_weights(
    state: dict[str, Tensor],
    architecture: Architecture,
    where: Path,
    head_channels: int = GROUPS,
    resolution: int | None = None,
) -> tuple[UNet2DModel, dict[str, tuple[str, ...]]]:
    """Compare weights with their architecture; none is copied.

    Args:
        state: of a guided-diffusion U-Net.
        architecture: see `infer_architecture`.
        where: file, for messages.
        head_channels: width of an attention head; shapes do not depend on it.
        resolution: of the images in pixels, if known.

    Returns:
        The diffusers U-Net on the meta device; for each guided-diffusion name the diffusers ones.

    Raises:
        UserError: names the first missing, misshapen or unexpected tensor; a head width or
            resolution that does not divide.
    """
    config = unet_config(architecture, head_channels, resolution)
    with torch.device("meta"):
        unet = UNet2DModel(**config)
    ours = unet.state_dict()
    targets, expected = {}, {}
    for module, counterparts in _modules(architecture).items():
        for kind in ("weight", "bias"):
            keys = tuple(f"{counterpart}.{kind}" for counterpart in counterparts)
            if keys[0] in ours:
                rows, *rest = ours[keys[0]].shape
                convolution = [1] if f"{module}.{kind}".endswith(ATTENTION_WEIGHTS) else []
                targets[f"{module}.{kind}"] = keys
                expected[f"{module}.{kind}"] = torch.empty(
                    rows * len(keys), *rest, *convolution, device="meta"
                )
    check_state(state, expected, str(where))
    return unet, targets


def unet_config(
    architecture: Architecture, head_channels: int, resolution: int | None
) -> dict[str, object]:
    """The keys of diffusers' `UNet2DModel` for a guided-diffusion architecture.

    Raises:
        UserError: a head width or a resolution that does not divide.
    """
    blocks = zip(architecture.channels, architecture.attention, strict=True)
    middle = architecture.channels[-1]
    for width in [*(width for width, attends in blocks if attends), middle]:
        if head_channels < 1 or width % head_channels:
            raise UserError(
                f"--head-channels {head_channels}: does not divide a block of {width} channels; "
                "give the width that the model was trained with"
            )
    coarsest = 2 ** (len(architecture.channels) - 1)
    if resolution is not None and (resolution < 1 or resolution % coarsest):
        raise UserError(
            f"--resolution {resolution}: expected a multiple of {coarsest}, "
            f"since the U-Net halves {len(architecture.channels) - 1} times"
        )
    plain = {"resnet": "Resnet{}sampleBlock2D", "conv": "{}Block2D"}[architecture.resampling]
    kinds = ["Attn{}Block2D" if attends else plain for attends in architecture.attention]
    return {
        "sample_size": resolution,
        "in_channels": architecture.in_channels,
        "out_channels": architecture.out_channels,
        "block_out_channels": architecture.channels,
        "layers_per_block": architecture.layers,
        "down_block_types": tuple(kind.format("Down") for kind in kinds),
        "up_block_types": tuple(kind.format("Up") for kind in reversed(kinds)),
        "downsample_type": architecture.resampling,
        "upsample_type": architecture.resampling,
        "resnet_time_scale_shift": architecture.time_scale_shift,
        "attention_head_dim": head_channels,
        "norm_num_groups": GROUPS,
        "attn_norm_num_groups": GROUPS,
        "norm_eps": 1e-5,
        "freq_shift": 0,
        "flip_sin_to_cos": True,
    }


ATTENTION_WEIGHTS = ("qkv.weight", "proj_out.weight")
"""Stored as one-dimensional convolutions of width 1, linear layers in diffusers."""


def _modules(architecture: Architecture) -> dict[str, tuple[str, ...]]:
    """The diffusers modules that take each guided-diffusion module's weights."""
    blocks, layers = len(architecture.channels), architecture.layers
    names = {
        "time_embed.0": ("time_embedding.linear_1",),
        "time_embed.2": ("time_embedding.linear_2",),
        "input_blocks.0.0": ("conv_in",),
        "out.0": ("conv_norm_out",),
        "out.2": ("conv_out",),
        **_residual("middle_block.0", "mid_block.resnets.0"),
        **_attention("middle_block.1", "mid_block.attentions.0"),
        **_residual("middle_block.2", "mid_block.resnets.1"),
    }
    resampler = _residual if architecture.resampling == "resnet" else _convolution
    for block, attends in enumerate(architecture.attention):
        first, down = 1 + block * (layers + 1), f"down_blocks.{block}"
        for layer in range(layers):
            names |= _layer(f"input_blocks.{first + layer}", down, layer, attends)
        if block + 1 < blocks:
            names |= resampler(f"input_blocks.{first + layers}.0", f"{down}.downsamplers.0")
    for block, attends in enumerate(reversed(architecture.attention)):
        first, up = block * (layers + 1), f"up_blocks.{block}"
        for layer in range(layers + 1):
            names |= _layer(f"output_blocks.{first + layer}", up, layer, attends)
        if block + 1 < blocks:
            last = f"output_blocks.{first + layers}.{2 if attends else 1}"
            names |= resampler(last, f"{up}.upsamplers.0")
    return names


def _layer(theirs: str, block: str, layer: int, attends: bool) -> dict[str, tuple[str, ...]]:
    names = _residual(f"{theirs}.0", f"{block}.resnets.{layer}")
    return names | (_attention(f"{theirs}.1", f"{block}.attentions.{layer}") if attends else {})


def _residual(theirs: str, ours: str) -> dict[str, tuple[str, ...]]:
    return {f"{theirs}.{name}": (f"{ours}.{other}",) for name, other in RESIDUAL.items()}


def _attention(theirs: str, ours: str) -> dict[str, tuple[str, ...]]:
    return {
        f"{theirs}.norm": (f"{ours}.group_norm",),
        f"{theirs}.qkv": (f"{ours}.to_q", f"{ours}.to_k", f"{ours}.to_v"),
        f"{theirs}.proj_out": (f"{ours}.to_out.0",),
    }


def _convolution(theirs: str, ours: str) -> dict[str, tuple[str, ...]]:
    name = "op" if theirs.startswith("input_blocks") else "conv"
    return {f"{theirs}.{name}": (f"{ours}.conv",)}


def _split(
    tensor: Tensor, keys: tuple[str, ...], head_channels: int, new_attention_order: bool
) -> tuple[Tensor, ...]:
    """The parts of a qkv convolution's weight (3 C, C, 1) or bias (3 C,); others stay whole."""
    if len(keys) == 1:
        return (tensor,)
    if new_attention_order:
        return tensor.chunk(3)
    return tensor.unflatten(0, (-1, 3, head_channels)).unbind(1)


def _drop_variance(
    state: dict[str, Tensor], architecture: Architecture, where: Path
) -> Architecture:
    if not architecture.learned_variance:
        raise UserError(f"{where}: no learned variance to drop; leave out --drop-variance")
    for name in ("out.2.weight", "out.2.bias"):
        state[name] = state[name][: architecture.in_channels]
    return replace(architecture, out_channels=architecture.in_channels)
