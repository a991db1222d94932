"""Random weights of the published metrics' networks, in their true architecture."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import inception_v3, vgg16

from unidad.files import sha256


def inception_weights() -> dict[str, Tensor]:
    """He's initialisation keeps features of order 1; uneven statistics of every batch norm.

    Without the counters of batches, as in the published file.
    """
    torch.manual_seed(0)
    network = inception_v3(num_classes=1008, aux_logits=False, init_weights=False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.8, 1.2)
            nn.init.normal_(module.running_mean, std=0.1)
    state = network.state_dict()
    return {name: tensor for name, tensor in state.items() if "num_batches" not in name}


def vgg_weights() -> dict[str, Tensor]:
    """Of the convolutions, under torchvision's names: LPIPS leaves the classifier out."""
    torch.manual_seed(0)
    with torch.device("meta"):
        features = vgg16().features
    features.to_empty(device="cpu")
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
    return {f"features.{name}": tensor for name, tensor in features.state_dict().items()}


def save_as_published(weights: dict[str, Tensor], stem: str, folder: Path) -> str:
    """Write weights to a file whose name ends in the first digits of its SHA-256; returns it."""
    draft = folder / "draft.pth"
    torch.save(weights, draft)
    return draft.rename(folder / f"{stem}-{sha256(draft)[:8]}.pth").name
