"""The published instance encoders, DINO and DINOv2."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoImageProcessor, Dinov2Model, PreTrainedModel, ViTModel
from transformers.utils import logging

from unidad.errors import UserError, one_line
from unidad.features.contract import Extractor, in_batches
from unidad.features.features import weights_digest
from unidad.features.trunk import resized
from unidad.files import read_json

ARCHITECTURES: dict[str, Callable[..., PreTrainedModel]] = {
    "vit": partial(ViTModel.from_pretrained, add_pooling_layer=False),
    "dinov2": Dinov2Model.from_pretrained,
}
"""`model_type` of a folder's ``config.json`` → how it is loaded."""
BATCH = 64


class VisionTransformer(nn.Module, Extractor):
    """The class token of a vision transformer, after its folder's own preprocessing.

    Args:
        model: the transformer.
        processor: of transformers: resizes, crops and normalises.
    """

    def __init__(self, model: PreTrainedModel, processor: Callable) -> None:
        super().__init__()
        self.model = model.float().eval().requires_grad_(False)
        self.processor = processor
        for name in ("mean", "std"):
            values = torch.tensor(getattr(processor, f"image_{name}")).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    @property
    def fingerprint(self) -> str:
        """Hex digest of preprocessing and weights."""
        return weights_digest(self.processor.to_json_string(), self.model.state_dict())

    def inputs(self, images: np.ndarray) -> Tensor:
        """What the model sees of uint8 (N, H, W, 3): float32 (N, 3, h, w)."""
        return self.processor(list(images), return_tensors="pt").pixel_values

    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As in `Extractor`: the embeddings of instances."""
        return {"instance": self.embed(images)}

    def tokens(self, x: Tensor) -> Tensor:
        """As in `Extractor`: the last hidden states. Images are resized, nothing is cropped."""
        size = self.processor.crop_size or self.processor.size
        unit = (resized(x, size.height or size.shortest_edge) + 1) / 2
        return self.model((unit - self.mean) / self.std).last_hidden_state

    @torch.inference_mode()
    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embeddings of uint8 (N, H, W, 3): float32 (N, D), rows of unit length.

        Raises:
            UserError: there is no image.
        """
        rows = []
        for batch in in_batches(images, BATCH):
            x = self.inputs(batch).to(self.mean.device)
            rows.append(F.normalize(self.model(x).last_hidden_state[:, 0], dim=1).cpu().numpy())
        return np.concatenate(rows)


def load_vision_transformer(folder: str | Path) -> VisionTransformer:
    """Load a DINO or DINOv2 folder in the layout of transformers; nothing is downloaded.

    Raises:
        UserError: a file is missing or unreadable, the model is of another kind, or weights are
            missing or of other shapes.
    """
    folder = Path(folder)
    kind = read_json(folder / "config.json", "a transformers folder has it").get("model_type")
    if kind not in ARCHITECTURES:
        known = " and ".join(ARCHITECTURES)
        raise UserError(f"{folder / 'config.json'}: model_type {kind!r}; only {known} are known")
    try:
        with _silent_transformers():
            model, report = ARCHITECTURES[kind](
                folder,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # named below, where the library only counts them
            )
            processor = AutoImageProcessor.from_pretrained(
                folder, local_files_only=True, backend="pil"
            )
    except Exception as error:  # the library lets every kind through
        raise UserError(f"{folder}: {one_line(error)}") from None
    unfit = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
    if unfit:
        raise UserError(f"{folder}: '{min(unfit)}' is missing in the weights, or of another shape")
    network = VisionTransformer(model, processor)
    return network.to("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def _silent_transformers():
    """Without its progress bar and its report of unused weights."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
