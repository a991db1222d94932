"""CLIP (Radford et al. 2021): images and prompts in one space; the small one and the published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from unidad.data.image_set import to_tensor
from unidad.errors import UserError
from unidad.features.contract import Extractor, in_batches
from unidad.features.features import weights_digest
from unidad.files import read_json, seal, write_json
from unidad.networks.folder import State, load_model
from unidad.networks.text_to_image_folder import load_tokenizer, save_tokenizer
from unidad.networks.weights import write_weights

BATCH = 64
CONFIG = "config.json"
WEIGHTS, FORMER_WEIGHTS = "model.safetensors", "pytorch_model.bin"
PREPROCESSING = "preprocessor_config.json"
LAYOUT = (
    f"a CLIP folder holds {CONFIG}, {WEIGHTS}, {PREPROCESSING} and the tokenizer's files, "
    "as `unidad train-clip` or transformers write them"
)


class Clip(nn.Module, Extractor):
    """A frozen CLIP with its own preprocessing.

    Args:
        model: becomes untrainable.
        tokenizer: of the model.
        mean: of the three channels in [0, 1].
        std: likewise.
    """

    def __init__(
        self,
        model: CLIPModel,
        tokenizer: CLIPTokenizer,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.name = "clip"
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.size = model.config.vision_config.image_size
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def fingerprint(self) -> str:
        """Hex digest of preprocessing and weights."""
        settings = f"{self.size} {self.mean.flatten().tolist()} {self.std.flatten().tolist()}"
        return weights_digest(settings, self.model.state_dict())

    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As in `Extractor`: the embeddings of images."""
        return {"clip": self.images(images)}

    @torch.inference_mode()
    def images(self, images: np.ndarray) -> np.ndarray:
        """Embeddings of uint8 (N, H, W, 3), N at least 1: float32 (N, D), rows of unit length."""
        device = self.mean.device
        rows = [self.embed(to_tensor(batch).to(device)) for batch in in_batches(images, BATCH)]
        return torch.cat(rows).cpu().numpy()

    @torch.inference_mode()
    def texts(self, prompts: Sequence[str]) -> np.ndarray:
        """Embeddings of prompts: float32 (N, D), rows of unit length.

        A prompt that is said twice is embedded once; one that is too long loses its end, as it
        does with CLIP's authors.
        """
        distinct, place = np.unique(np.asarray(prompts, dtype=str), return_inverse=True)
        tokens = tokenize(self.tokenizer, distinct.tolist()).to(self.mean.device)
        rows = [self.model.get_text_features(part).pooler_output for part in tokens.split(BATCH)]
        return F.normalize(torch.cat(rows), dim=1).cpu().numpy()[place]

    def embed(self, x: Tensor) -> Tensor:
        """Unit rows (N, D) of images (N, 3, H, W) in [-1, 1]; differentiable."""
        found = self.model.get_image_features(self.preprocessed(x))
        return F.normalize(found.pooler_output, dim=1)

    def tokens(self, x: Tensor) -> Tensor:
        """Last hidden states (N, L, D) of images as for `embed`, the class token's first."""
        return self.model.vision_model(self.preprocessed(x)).last_hidden_state

    def preprocessed(self, x: Tensor) -> Tensor:
        """Bring the shorter side to the model's size, crop the centre, normalise.

        As OpenAI's preprocessing does, by bicubic interpolation with antialiasing.
        """
        short = min(x.shape[-2:])
        if short != self.size:
            sides = [self.size * side // short for side in x.shape[-2:]]
            x = F.interpolate(x, sides, mode="bicubic", antialias=True).clamp(-1, 1)
        top, left = ((side - self.size) // 2 for side in x.shape[-2:])
        x = x[..., top : top + self.size, left : left + self.size]
        return ((x + 1) / 2 - self.mean) / self.std


def tokenize(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> Tensor:
    """Token numbers int64 (N, L), padded to the longest prompt; longer than the model takes: cut.

    No attention mask is needed: the text model is causal and reads its embedding at the first
    end token, so that it never sees the padding.
    """
    tokens = tokenizer(list(prompts), padding="longest", truncation=True, return_tensors="pt")
    return tokens.input_ids


def load_clip(folder: str | Path) -> Clip:
    """Load a CLIP folder as transformers writes it; float32, on the GPU if there is one.

    Raises:
        UserError: a file is missing or unreadable, or the weights are of another architecture.
    """
    folder = Path(folder)
    settings = read_json(folder / PREPROCESSING, LAYOUT)
    present = (folder / name for name in (WEIGHTS, FORMER_WEIGHTS) if (folder / name).is_file())
    weights = next(present, folder / WEIGHTS)
    model = load_model(folder, _build, LAYOUT, weights, _without_positions)
    tokenizer = load_tokenizer(folder, LAYOUT)
    tokenizer.model_max_length = model.config.text_config.max_position_embeddings
    statistics = [settings.get(name) for name in ("image_mean", "image_std")]
    if not all(isinstance(values, list) and len(values) == 3 for values in statistics):
        raise UserError(
            f"{folder / PREPROCESSING}: image_mean and image_std must be three numbers; {LAYOUT}"
        )
    clip = Clip(model, tokenizer, *statistics)
    return clip.to("cuda" if torch.cuda.is_available() else "cpu")


def save_clip(clip: Clip, folder: str | Path) -> None:
    """Write a folder for `load_clip` and for transformers; weights become bfloat16."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = clip.model.state_dict()
    write_weights(folder / WEIGHTS, {name: t.bfloat16() for name, t in state.items()})
    clip.model.config.save_pretrained(folder)
    save_tokenizer(clip.tokenizer, folder)
    preprocessing = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": clip.size},
        "crop_size": {"height": clip.size, "width": clip.size},
        "image_mean": clip.mean.flatten().tolist(),
        "image_std": clip.std.flatten().tolist(),
    }
    write_json(folder / PREPROCESSING, preprocessing)
    seal(folder)


def _build(config: dict) -> CLIPModel:
    if config.get("model_type") != "clip":
        raise UserError(f"model_type: expected clip, found {config.get('model_type')}")
    return CLIPModel(CLIPConfig(**config))


def _without_positions(state: State) -> State:
    """Releases before transformers 4.31 also store positions, which are no weights."""
    return {name: tensor for name, tensor in state.items() if not name.endswith("position_ids")}
