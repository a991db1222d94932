"""Which backbone stands behind which class of a model's configuration; loading a folder."""

from __future__ import annotations

from pathlib import Path

from unidad.errors import UserError
from unidad.files import read_json
from unidad.networks.backbone import Backbone
from unidad.networks.codec import LatentCodec
from unidad.networks.flow_transformer import FlowTransformer
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.text_to_image import TextToImageUNet
from unidad.networks.text_to_image_folder import LAYOUT as TEXT_LAYOUT
from unidad.networks.unet import LAYOUT, UNet

BACKBONES: dict[str, type[Backbone]] = {
    "UNet2DModel": UNet,
    "UNet2DConditionModel": TextToImageUNet,
    "SD3Transformer2DModel": FlowTransformer,
}
"""``_class_name`` of the model's ``config.json`` → the backbone."""


def load_backbone(
    folder: str | Path,
    bf16: bool = False,
    codec: LatentCodec | None = None,
    weights: str | Path | None = None,
) -> Backbone:
    """Load a pipeline folder, whichever its architecture; in float32, without dropout.

    Args:
        folder: of the pipeline, or of a bare ``UNet2DModel`` as the google/ddpm-* models have it.
        bf16: run the model under bfloat16 autocast.
        codec: the autoencoder that the networks of a run share, where there is text to read.
        weights: a bare state dict (.safetensors, .bin, .pt) to load instead of the folder's own,
            such as a distilled student's release.

    Raises:
        UserError: a missing or unreadable file, an architecture without a backbone, a network that
            reads text where there is none, or weights that do not fit: the message names the
            first key that does not.
    """
    folder = Path(folder)
    config_file = model_folder(folder) / "config.json"
    kind = read_json(config_file, LAYOUT if codec is None else TEXT_LAYOUT).get("_class_name")
    backbone = BACKBONES.get(kind)
    if backbone is None:
        known = ", ".join(BACKBONES)
        raise UserError(f"{config_file}: _class_name: expected one of {known}, found {kind}")
    if backbone.READS_TEXT and codec is None:
        raise UserError(f"{config_file}: {kind} reads text; images alone cannot train or draw it")
    weights = None if weights is None else Path(weights)
    try:
        return backbone.load(folder, bf16, codec, weights).eval()
    except ValueError as error:
        raise UserError(f"{config_file.parent}: {error}") from None


def model_folder(folder: Path) -> Path:
    """Where a pipeline folder holds its model's configuration and weights."""
    names = dict.fromkeys(backbone.FOLDER for backbone in BACKBONES.values())
    for candidate in (folder, *(folder / name for name in names)):
        if (candidate / "config.json").is_file():
            return candidate
    return folder / UNet.FOLDER


def model_weights(folder: Path) -> Path:
    """The file of a pipeline folder's weights."""
    return model_folder(folder) / WEIGHTS_NAME
