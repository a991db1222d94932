"""The convolutions that the benchmarks' own evaluation networks share, and their folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unidad.data.image_set import to_tensor
from unidad.errors import UserError
from unidad.features.contract import Extractor, in_batches
from unidad.features.features import weights_digest
from unidad.features.perceptual import perceptual_rows
from unidad.files import read_json, seal, write_json
from unidad.networks.weights import check_state, read_weights, write_weights

WEIGHTS, CONFIG = "model.safetensors", "config.json"
BATCH = 200


class TrunkConfig(Protocol):
    """What a trunk reads of its network's configuration, a dataclass.

    Attributes:
        name: what tables call its features.
        resolution: that images are resized to, in pixels; divisible by 8.
        channels: of the stages, at resolution, /2, /4 and so on.
    """

    name: str
    resolution: int
    channels: tuple[int, ...]


class Trunk(nn.Module, Extractor):
    """Convolutions with batch normalisation and SiLU, averaged down between stages.

    Its stages' maps stand for LPIPS' trunk, all channels weighing the same: no human judgement
    went into it. Networks derive from it and add their heads.

    Attributes:
        config: of the network.
        width: values of an image's last map, flattened.
    """

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.config = config
        widths = (3, *config.channels)
        self.stages = nn.ModuleList(
            _stage(before, after, down=index > 0)
            for index, (before, after) in enumerate(pairwise(widths))
        )
        side = config.resolution // 2 ** (len(config.channels) - 1)
        self.width = config.channels[-1] * side**2

    @property
    def name(self) -> str:
        """What tables call these features."""
        return self.config.name

    @property
    def fingerprint(self) -> str:
        """Hex digest of configuration and weights."""
        return weights_digest(json.dumps(asdict(self.config)), self.state_dict())

    def maps(self, x: Tensor) -> list[Tensor]:
        """Outputs (N, C, H, W) of the stages, for images (N, 3, H, W) in [-1, 1]."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    @torch.inference_mode()
    def perceptual(self, images: np.ndarray, unit_range: bool = False) -> Tensor:
        """As in `Extractor`: the squared distance of two rows is the LPIPS of two images."""
        batches = ((x + 1) / 2 if unit_range else x for x in self.batches(images))
        return torch.cat([perceptual_rows(self.maps(x)) for x in batches]).cpu()

    def perceptual_rows(self, x: Tensor) -> Tensor:
        """Rows (N, P), as `perceptual` gives, of images (N, 3, H, W) in [-1, 1]; differentiable."""
        return perceptual_rows(self.maps(resized(x, self.config.resolution)))

    def tokens(self, x: Tensor) -> Tensor:
        """As in `Extractor`: one for each place of the last map."""
        return self.maps(resized(x, self.config.resolution))[-1].flatten(2).mT

    def batches(self, images: np.ndarray) -> Iterator[Tensor]:
        """Images, uint8 (N, H, W, 3), as the network sees them: (n, 3, resolution, resolution).

        Raises:
            UserError: there is no image.
        """
        device = next(self.parameters()).device
        for batch in in_batches(images, BATCH):
            x = to_tensor(batch).to(device)
            yield resized(x, self.config.resolution).contiguous(memory_format=torch.channels_last)

    def save(self, folder: str | Path) -> None:
        """Write ``model.safetensors``, in bfloat16, and ``config.json`` into a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_weights(folder / WEIGHTS, {n: t.bfloat16() for n, t in _stored(self).items()})
        write_json(folder / CONFIG, asdict(self.config))
        seal(folder)


Network = TypeVar("Network", bound=Trunk)


def load_trunk(
    folder: str | Path, network_class: type[Network], config_class: type[TrunkConfig], verb: str
) -> Network:
    """Load what `Trunk.save` wrote; float32, in evaluation mode, on the GPU if any.

    Args:
        folder: with the two files.
        network_class: of the network.
        config_class: of its configuration.
        verb: that makes such a folder, for the messages.

    Raises:
        UserError: a file is missing or unreadable, or the weights are of another architecture.
    """
    folder, remedy = Path(folder), f"`unidad {verb}` makes such a folder"
    network = network_class(_read_config(folder / CONFIG, config_class, remedy))
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{weights}: no such file; {remedy}")
    state = {name: tensor.float() for name, tensor in read_weights(weights).items()}
    check_state(state, _stored(network), str(weights))
    network.load_state_dict(state, strict=False)
    network.to("cuda" if torch.cuda.is_available() else "cpu", memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)


def resized(x: Tensor, resolution: int) -> Tensor:
    """Images (N, C, H, W) → (N, C, resolution, resolution), bilinear with antialiasing."""
    if x.shape[-2:] == (resolution, resolution):
        return x
    return F.interpolate(x, (resolution, resolution), mode="bilinear", antialias=True)


def _stage(before: int, after: int, down: bool) -> nn.Sequential:
    if not down:
        return _convolution(before, after)
    return nn.Sequential(nn.AvgPool2d(2), _convolution(before, after), _convolution(after, after))


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.SiLU()
    )


def _stored(network: Trunk) -> dict[str, Tensor]:
    """The state without BatchNorm's counters of batches, which nothing reads."""
    state = network.state_dict()
    return {name: tensor for name, tensor in state.items() if "num_batches" not in name}


def _read_config(path: Path, config_class: type[TrunkConfig], remedy: str) -> TrunkConfig:
    try:
        values = read_json(path, remedy)
        lists = {name: tuple(v) for name, v in values.items() if isinstance(v, list)}
        return config_class(**(values | lists))
    except TypeError as error:
        raise UserError(f"{path}: not a feature network's configuration ({error})") from None
