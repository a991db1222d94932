"""The small network whose features the metrics of synthetic faces are measured in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from unidad.checkpoint import check_state
from unidad.data.image_set import to_tensor
from unidad.errors import UserError
from unidad.files import write_json
from unidad.metrics.features import Features, weights_digest
from unidad.metrics.perceptual import perceptual_rows

WEIGHTS, CONFIG = "model.safetensors", "config.json"
BATCH = 200


@dataclass(frozen=True)
class FeatureConfig:
    """Architecture and vocabulary of a feature network, as in its ``config.json``.

    Attributes:
        name: what tables call its features.
        domains: classes of the domain head.
        attributes: names of the attribute head's outputs.
        resolution: that images are resized to, in pixels; divisible by 8.
        channels: of the four stages, at resolution, /2, /4 and /8.
        pooled: dims of the pooled features.
    """

    name: str
    domains: tuple[str, ...]
    attributes: tuple[str, ...]
    resolution: int = 32
    channels: tuple[int, ...] = (24, 64, 128, 192)
    pooled: int = 128


class FeatureNetwork(nn.Module):
    """Convolutions with batch normalisation and SiLU, averaged down three times; linear heads.

    It stands for Inception (pooled features) and for LPIPS' trunk (the four stages' maps, all
    channels weighing the same: no human judgement went into it). It is an `Extractor`.
    """

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.config = config
        widths = (3, *config.channels)
        self.stages = nn.ModuleList(
            _stage(before, after, down=index > 0)
            for index, (before, after) in enumerate(pairwise(widths))
        )
        side = config.resolution // 2 ** (len(config.channels) - 1)
        self.pool = nn.Linear(config.channels[-1] * side**2, config.pooled)
        self.domain_head = nn.Linear(config.pooled, len(config.domains))
        self.attribute_head = nn.Linear(config.pooled, len(config.attributes))
        self.quality_head = nn.Linear(config.pooled, 2)

    @property
    def name(self) -> str:
        """What tables call these features."""
        return self.config.name

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the columns of `Features.domain`."""
        return self.config.domains

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

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features (N, pooled) of images (N, 3, H, W) in [-1, 1]."""
        return self.pool(self.maps(x)[-1].flatten(1))

    @torch.inference_mode()
    def features(self, images: np.ndarray) -> Features:
        """Features of uint8 (N, H, W, 3), of any resolution, N at least 1."""
        batches = []
        for x in self._batches(images):
            pooled = self(x)
            attributes = self.attribute_head(pooled).clamp(0, 1)
            batches.append((pooled, attributes, self.domain_head(pooled).softmax(1)))
        return Features(*(torch.cat(parts).cpu().numpy() for parts in zip(*batches, strict=True)))

    @torch.inference_mode()
    def perceptual(self, images: np.ndarray, unit_range: bool = False) -> Tensor:
        """Rows (N, P) whose squared distance is the LPIPS of two images; see `Extractor`."""
        batches = ((x + 1) / 2 if unit_range else x for x in self._batches(images))
        return torch.cat([perceptual_rows(self.maps(x)) for x in batches]).cpu()

    def save(self, folder: str | Path) -> None:
        """Write ``model.safetensors``, in bfloat16, and ``config.json`` into a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = {n: t.detach().cpu().bfloat16().contiguous() for n, t in _stored(self).items()}
        save_file(state, folder / WEIGHTS)
        write_json(folder / CONFIG, asdict(self.config))

    def _batches(self, images: np.ndarray) -> Iterator[Tensor]:
        if len(images) == 0:
            raise UserError("no images to compute features of; the image set is empty")
        device = self.pool.weight.device
        for start in range(0, len(images), BATCH):
            x = to_tensor(images[start : start + BATCH]).to(device)
            yield resized(x, self.config.resolution).contiguous(memory_format=torch.channels_last)


def resized(x: Tensor, resolution: int) -> Tensor:
    """Images (N, C, H, W) → (N, C, resolution, resolution), bilinear with antialiasing."""
    if x.shape[-2:] == (resolution, resolution):
        return x
    return F.interpolate(x, (resolution, resolution), mode="bilinear", antialias=True)


def load_feature_network(folder: str | Path) -> FeatureNetwork:
    """Load what `FeatureNetwork.save` wrote; float32, in evaluation mode, on the GPU if any.

    Raises:
        UserError: a file is missing or unreadable, or the weights are of another architecture.
    """
    folder = Path(folder)
    network = FeatureNetwork(_read_config(folder / CONFIG))
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{weights}: no such file; `unidad train-features` makes such a folder")
    try:
        state = {name: tensor.float() for name, tensor in load_file(weights).items()}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{weights}: not a readable safetensors file ({error})") from None
    check_state(state, _stored(network), str(weights))
    network.load_state_dict(state, strict=False)
    network.to("cuda" if torch.cuda.is_available() else "cpu", memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)


def _stage(before: int, after: int, down: bool) -> nn.Sequential:
    if not down:
        return _convolution(before, after)
    return nn.Sequential(nn.AvgPool2d(2), _convolution(before, after), _convolution(after, after))


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.SiLU()
    )


def _stored(network: FeatureNetwork) -> dict[str, Tensor]:
    """The state without BatchNorm's counters of batches, which nothing reads."""
    state = network.state_dict()
    return {name: tensor for name, tensor in state.items() if "num_batches" not in name}


def _read_config(path: Path) -> FeatureConfig:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        lists = {name: tuple(v) for name, v in values.items() if isinstance(v, list)}
        return FeatureConfig(**(values | lists))
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; `unidad train-features` makes such a folder"
        ) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a feature network's configuration ({error})") from None
