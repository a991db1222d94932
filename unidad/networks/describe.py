"""What a model is: the facts that its files tell, for a user's eyes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from diffusers import DDPMScheduler, UNet2DModel
from safetensors import safe_open

from unidad.diffusion.process import timestep_levels
from unidad.networks.adm import adm_scheduler, check_weights, infer_architecture, read_state
from unidad.networks.codec import PixelUnshuffle
from unidad.networks.folder import WEIGHTS_NAME, load_network, model_parts

SAFETENSORS_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def describe_model(path: Path) -> dict[str, str]:
    """Check a model folder, or a guided-diffusion checkpoint, and tell what it holds.

    Returns:
        Name of each fact → its value, in reading order.

    Raises:
        UserError: the model cannot be used, as `load_network` and `load_adm` say.
    """
    if path.is_file():
        state = read_state(path)
        architecture = infer_architecture(state, path)
        unet, _ = check_weights(state, architecture, path)
        dtypes = {str(tensor.dtype).removeprefix("torch.") for tensor in state.values()}
        facts = describe(unet, adm_scheduler(architecture.learned_variance), dtypes)
        return {
            "format": "guided-diffusion checkpoint, unconditional",
            **facts,
            "attention heads": "their width is not in the file; import-adm --head-channels",
            "resolution": "not in the file; import-adm --resolution",
        }
    network = load_network(path)
    with safe_open(model_parts(path)[0] / WEIGHTS_NAME, "pt") as file:
        stored = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    dtypes = {SAFETENSORS_DTYPES.get(dtype, dtype) for dtype in stored}
    return {
        "format": "diffusers folder",
        **describe(network.unet, network.scheduler, dtypes),
    }


def describe(unet: UNet2DModel, scheduler: DDPMScheduler, dtypes: Iterable[str]) -> dict[str, str]:
    """Facts of a network.

    Args:
        unet: may be on the meta device.
        scheduler: its noise process.
        dtypes: of the weights as stored.
    """
    config = unet.config
    attention = ["Attn" in kind for kind in config.down_block_types]
    levels = [
        f"1/{2**level}: {channels}{' with attention' if attends else ''}"
        for level, (channels, attends) in enumerate(
            zip(config.block_out_channels, attention, strict=True)
        )
    ]
    learned = config.out_channels > config.in_channels
    sigma = timestep_levels(scheduler.alphas_cumprod)
    return {
        "architecture": f"UNet2DModel, {config.resnet_time_scale_shift} time embedding, "
        f"{config.downsample_type} resampling",
        "residual blocks": f"{config.layers_per_block} a level",
        "parameters": f"{sum(p.numel() for p in unet.parameters()):,}",
        "dtype": ", ".join(sorted(dtypes)),
        "channels": f"{config.in_channels} in, {config.out_channels} out"
        + (" (with a learned variance, which is ignored)" if learned else ""),
        "attention heads": f"{config.attention_head_dim or 'all'} channels wide",
        "resolution": _resolution(config),
        "levels": ", ".join(levels),
        "prediction": scheduler.config.prediction_type,
        "noise levels": f"{len(sigma)}, {scheduler.config.beta_schedule} betas, "
        f"sigma {sigma[0]:.4g} to {sigma[-1]:.4g}",
    }


def _resolution(config) -> str:
    size = config.sample_size
    height, width = size if isinstance(size, list | tuple) else (size, size)
    factor = PixelUnshuffle.for_channels(config.in_channels).factor
    if size is None:
        return "unknown"
    unshuffled = f", unshuffled to {height}x{width}" if factor > 1 else ""
    return f"{height * factor}x{width * factor}{unshuffled}"
