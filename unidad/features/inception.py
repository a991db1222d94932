"""FID's Inception network behind clean-fid's two ways of resizing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import torch
from cleanfid import inception_pytorch
from cleanfid.resize import build_resizer
from torch import Tensor
from tqdm import tqdm

from unidad.errors import UserError
from unidad.features.contract import Extractor, in_batches
from unidad.features.features import weights_digest
from unidad.features.pretrained import published_weights

WEIGHTS_URL = inception_pytorch.FID_WEIGHTS_URL
MODES = ("legacy_pytorch", "clean")
BATCH = 32


class Inception(Extractor):
    """Pooled features (N, 2048) as clean-fid computes them in one of its modes.

    ``legacy_pytorch``: bilinear to 299×299 without antialiasing, as pytorch-fid does;
    ``clean`` (Parmar et al. 2022): bicubic with antialiasing. Both run the same network: the
    weights of the 2015 TensorFlow graph in pytorch-fid's state dict. For ``clean``, clean-fid
    itself runs a TorchScript copy of that graph; such a file is a program, which may write
    files, so it is not loaded here.

    Attributes:
        name: "inception-clean".
        fingerprint: changes with weights and mode.
    """

    def __init__(self, weights: dict[str, Tensor], mode: str) -> None:
        """Take the state dict of pytorch-fid's Inception; runs on the GPU if there is one.

        Raises:
            UserError: an unknown mode.
        """
        if mode not in MODES:
            raise UserError(f"Inception mode {mode!r} is unknown; it is one of {', '.join(MODES)}")
        self.name = f"inception-{mode}"
        self.mode = mode
        self.fingerprint = weights_digest(self.name, weights)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = _network(weights).to(self.device)
        self._resize = _resizer(mode)

    @torch.inference_mode()
    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As in `Extractor`: pooled features alone."""
        pooled, count = [], math.ceil(len(images) / BATCH)
        for batch in tqdm(in_batches(images, BATCH), self.name, count, disable=None):
            x = self.inputs(batch).to(self.device)
            pooled.append(self.network(x)[0].flatten(1).cpu().numpy())
        return {"pooled": np.concatenate(pooled)}

    def inputs(self, images: np.ndarray) -> Tensor:
        """What the network sees of uint8 (N, H, W, 3): float32 (N, 3, 299, 299) in [-1, 1]."""
        resized = np.stack([self._resize(image) for image in images])
        x = torch.from_numpy(resized).permute(0, 3, 1, 2)
        return (x - 128) / 128 if self.mode == "clean" else 2 * (x / 255) - 1


def load_inception(mode: str) -> Inception:
    """FID's Inception with its published weights.

    Raises:
        UserError: see `published_weights` and `Inception`.
    """
    return Inception(published_weights(WEIGHTS_URL), mode)


def _network(weights: dict[str, Tensor]) -> torch.nn.Module:
    """clean-fid's network; it would download and unpickle its weights in its constructor."""
    with (
        warnings.catch_warnings(action="ignore"),
        patch.object(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: weights),
    ):
        return inception_pytorch.InceptionV3(resize_input=False, normalize_input=False).eval()


def _resizer(mode: str) -> Callable[[np.ndarray], np.ndarray]:
    """clean-fid's function for one image; its constructor would silence all later warnings."""
    with warnings.catch_warnings():
        return build_resizer(mode)
