"""Image sets as they lie on disk and as the networks see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from unidad.data.arrays import read_arrays
from unidad.errors import UserError
from unidad.files import atomic_file

ATTRIBUTE_PREFIX = "attribute:"


@dataclass(frozen=True)
class ImageSet:
    """Images with, where they are known, their true attributes.

    Attributes:
        images: uint8 (N, H, W, 3), RGB.
        attributes: name → float32 (N,); empty for photographs and generated images.
        captions: what each image shows, or was drawn for; empty where nothing is said.
    """

    images: np.ndarray
    attributes: dict[str, np.ndarray] = field(default_factory=dict)
    captions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.captions and len(self.captions) != len(self.images):
            raise ValueError(f"{len(self.captions)} captions for {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.images)

    def mirrored(self) -> ImageSet:
        """Each image's mirror image; left and right change places."""
        return ImageSet(self.images[:, :, ::-1].copy())

    def save(self, path: str | Path) -> None:
        """Write a compressed .npz; the final name appears only when the file is complete."""
        arrays = {ATTRIBUTE_PREFIX + name: values for name, values in self.attributes.items()}
        if self.captions:
            arrays["captions"] = np.array(self.captions, dtype=np.str_)
        with atomic_file(path) as partial, open(partial, "wb") as file:
            np.savez_compressed(file, images=self.images, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> ImageSet:
        """Read a file that `save` wrote.

        Raises:
            UserError: the file is missing, is no .npz of uint8 images, holds pickled objects, or
                other than one caption an image.
        """
        arrays = read_arrays(path, "image set", "prepare")
        if "images" not in arrays:
            raise UserError(f"{path}: not an image set written by unidad (it has no images)")
        images = arrays["images"]
        attributes = {
            name.removeprefix(ATTRIBUTE_PREFIX): values
            for name, values in arrays.items()
            if name.startswith(ATTRIBUTE_PREFIX)
        }
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise UserError(
                f"{path}: images must be uint8 (N, H, W, 3), found {images.dtype} {images.shape}"
            )
        captions = arrays.get("captions", np.array([], dtype=np.str_))
        if captions.dtype.kind != "U" or captions.shape not in ((0,), (len(images),)):
            raise UserError(
                f"{path}: captions must be one text an image ({len(images)}), "
                f"found {captions.dtype} {captions.shape}"
            )
        return cls(images, attributes, tuple(captions.tolist()))


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """uint8 (N, H, W, 3) → float32 (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """Float (N, 3, H, W), clipped to [-1, 1], → uint8 (N, H, W, 3), rounded to nearest."""
    quantised = ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return quantised.permute(0, 2, 3, 1).contiguous().cpu().numpy()
