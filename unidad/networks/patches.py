"""A linear codec: patches of pixels on their first principal components."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from unidad.data.image_set import to_tensor
from unidad.networks.folder import load_model

FOLDER = "codec"
LEAST_DEVIATION = 1e-3
"""An eighth of a grey level, for components without any variance."""
FITTED_ON = 500
"""Images that a basis is fitted to: a hundred thousand patches of 4x4 pixels at 64x64."""


class PatchBasis(ModelMixin, ConfigMixin):
    """Mean, principal components and their deviations of patches; a part of a pipeline folder.

    Args:
        factor: side of a patch, f.
        components: how many are kept, K; at most 3 f².
    """

    @register_to_config
    def __init__(self, factor: int = 4, components: int = 20):
        super().__init__()
        pixels = 3 * factor**2
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("basis", torch.eye(pixels)[:components].contiguous())
        self.register_buffer("deviation", torch.ones(components))


class PatchCodec:
    """(N, 3, H, W) ⇄ (N, K, H / f, W / f): the patches' coordinates in an orthonormal basis.

    White noise stays white noise and distances within the kept subspace stay the same, so noise
    levels mean what they mean in pixels. Not a module, as `LatentCodec`: copies share it.

    Args:
        model: the basis; becomes untrainable.
    """

    def __init__(self, model: PatchBasis):
        self.model = model.eval()

    def __deepcopy__(self, memo: dict) -> PatchCodec:
        return self

    @classmethod
    def fitted(cls, images: np.ndarray, factor: int, components: int) -> PatchCodec:
        """The basis of uint8 images (N, H, W, 3), of which the first FITTED_ON count.

        Components are orthonormal, by falling variance, each with its largest entry positive.
        """
        x = F.pixel_unshuffle(to_tensor(images[:FITTED_ON]).double(), factor)
        patches = x.movedim(1, -1).flatten(0, 2)
        mean = patches.mean(0)
        covariance = (patches - mean).T @ (patches - mean)
        variances, columns = torch.linalg.eigh(covariance / len(patches))
        rows = columns.flip(1).T[:components]
        largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
        deviation = variances.flip(0)[:components].clamp(min=LEAST_DEVIATION**2).sqrt()
        model = PatchBasis(factor, components)
        state = {"mean": mean, "basis": rows * largest.sign(), "deviation": deviation}
        model.load_state_dict(state)
        return cls(model)

    @classmethod
    def load(cls, folder: Path) -> PatchCodec:
        """Of a pipeline folder.

        Raises:
            UserError: a missing or unreadable file, or weights of another architecture.
        """
        layout = f"a model of patches' components holds {FOLDER}/"
        return cls(load_model(folder / FOLDER, PatchBasis.from_config, layout))

    @property
    def factor(self) -> int:
        """Pixels of an image for each position of the network's space, along a side."""
        return self.model.config.factor

    @property
    def deviation(self) -> Tensor:
        """Standard deviations (K,) of the components over the images of the fit."""
        return self.model.deviation.float()

    @property
    def channels(self) -> int:
        """Components that are kept."""
        return self.model.config.components

    def encode(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] → coordinates (N, K, H / f, W / f)."""
        mean, basis = self.model.mean.to(images), self.model.basis.to(images)
        x = F.pixel_unshuffle(images, self.factor) - mean[:, None, None]
        return torch.einsum("kc,nchw->nkhw", basis, x)

    def decode(self, x0: Tensor) -> Tensor:
        """Coordinates (N, K, h, w) → images (N, 3, f h, f w), in [-1, 1] but for overshoot."""
        mean, basis = self.model.mean.to(x0), self.model.basis.to(x0)
        x = torch.einsum("kc,nkhw->nchw", basis, x0) + mean[:, None, None]
        return F.pixel_shuffle(x, self.factor)
