"""What a model is: the facts that its files tell, for a user's eyes."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open

from unidad.networks.adm import adm_scheduler, check_weights, infer_architecture, read_state
from unidad.networks.registry import load_backbone, model_weights
from unidad.networks.unet import UNet

SAFETENSORS_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def describe_model(path: Path) -> dict[str, str]:
    """Check a model folder, or a guided-diffusion checkpoint, and tell what it holds.

    Returns:
        Name of each fact → its value, in reading order.

    Raises:
        UserError: the model cannot be used, as `load_backbone` and `load_adm` say.
    """
    if path.is_file():
        state = read_state(path)
        architecture = infer_architecture(state, path)
        unet, _ = check_weights(state, architecture, path)
        dtypes = {str(tensor.dtype).removeprefix("torch.") for tensor in state.values()}
        facts = UNet(unet, adm_scheduler(architecture.learned_variance)).facts(dtypes)
        return {
            "format": "guided-diffusion checkpoint, unconditional",
            **facts,
            "attention heads": "their width is not in the file; import-adm --head-channels",
            "resolution": "not in the file; import-adm --resolution",
        }
    network = load_backbone(path)
    with safe_open(model_weights(path), "pt") as file:
        stored = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    dtypes = {SAFETENSORS_DTYPES.get(dtype, dtype) for dtype in stored}
    return {"format": "diffusers folder", **network.facts(dtypes)}
