"""Settings of models that are put in place."""

from __future__ import annotations

from typing import Literal

from unidad.config.evaluation import PublishedFeatures
from unidad.config.section import Count, Section


class AdmImport(Section):
    """What a guided-diffusion checkpoint does not tell, and how it is stored."""

    head_channels: Count = 64
    """Width of an attention head."""
    resolution: Count = 256
    """Of the images, in pixels."""
    new_attention_order: bool = False
    """Trained with use_new_attention_order; else the order of q, k and v is the legacy one."""
    drop_variance: bool = False
    """Leave out the learned variance."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the weights."""


class Placing(PublishedFeatures):
    """A model or network that an experiment takes as it is."""

    origin: str
    """Folder of a model or of a network, guided-diffusion checkpoint (.pt, .safetensors),
    `shipped:<name>`, `published` (Inception and LPIPS), `published:<name>` on the Hugging Face
    hub (CLIP, DINO), or `photo` (EfficientNet-Lite0, of the extra of this name)."""
    resolution: Count = 256
    """Of a checkpoint's images, in pixels."""


def is_checkpoint(origin: str) -> bool:
    """Whether an origin is a guided-diffusion checkpoint, which is one file; others are folders."""
    return origin.endswith((".pt", ".pth", ".safetensors"))
