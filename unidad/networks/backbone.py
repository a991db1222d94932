"""The contract of a backbone: what methods, training and sampling know of a network.

Prediction type, input scaling, timesteps and precision are hidden inside. What is trained is an
ordinary model of a library, so that the library alone can load what is exported.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor, nn

from unidad.config.diffusion import Diffusion
from unidad.diffusion.levels import of_network
from unidad.files import atomic_folder, seal
from unidad.networks.lora import ADAPTER, Layers, add_lora, merged_lora

if TYPE_CHECKING:
    from unidad.networks.codec import Codec, LatentCodec
    from unidad.networks.text import TextEncoder


class Backbone(nn.Module, ABC):
    """``net(x, sigma, condition=None) -> x0`` of ``x = x0 + sigma * eps``.

    Attributes:
        FOLDER: of the model within a pipeline folder.
        LAYERS: kind → endings of the names of its layers: ``attention`` (all projections of
            attention) and ``keys_and_values`` (through which the condition is read).
        HOW_TO_DRAW: with the exported folder NAME, in Markdown, for its card.
        READS_TEXT: whether it cannot do without text embeddings as its condition.
        codec: images ⇄ the network's space.
        bf16: run the model under bfloat16 autocast; inputs and results stay float32.
    """

    FOLDER: ClassVar[str]
    HOW_TO_DRAW: ClassVar[str]
    LAYERS: ClassVar[Mapping[str, tuple[str, ...]]]
    READS_TEXT: ClassVar[bool] = False
    codec: Codec
    bf16: bool

    @classmethod
    @abstractmethod
    def load(
        cls, folder: Path, bf16: bool, codec: LatentCodec | None, weights: Path | None
    ) -> Self:
        """Put a pipeline folder's network together, in float32; see `load_backbone`.

        Raises:
            UserError: a missing or unreadable file.
            ValueError: an architecture that this backbone does not support.
        """

    @property
    def model(self) -> nn.Module:
        """What is trained, adapted and exported: the attribute that bears FOLDER's name."""
        return self._modules[self.FOLDER]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the network's space."""

    @property
    @abstractmethod
    def trained_levels(self) -> Tensor:
        """The noise levels that it was trained at: finite, ascending, float32 (T,)."""

    @property
    @abstractmethod
    def feature_channels(self) -> dict[str, int]:
        """Channels of each entry of `features`, from the first to ``middle``.

        A name with a slash is of a map within the block that is named before it.
        """

    @abstractmethod
    def forward(self, x: Tensor, sigma: Tensor, condition: Tensor | None = None) -> Tensor:
        """Predict x0 of ``x = x0 + sigma * eps``.

        Args:
            x: (N, C, H, W) in the network's space.
            sigma: (N,).
            condition: text embeddings (N, L, D) where the network reads text, else nothing.

        Returns:
            float32 (N, C, H, W).
        """

    @abstractmethod
    def features(
        self, x: Tensor, sigma: Tensor, condition: Tensor | None = None
    ) -> dict[str, Tensor]:
        """What the encoder's blocks see, the last of them named ``middle``; nothing after it runs.

        Args and shapes as for `forward`; returns name → (N, c, h, w), see `feature_channels`.
        """

    @abstractmethod
    def facts(self, dtypes: Iterable[str]) -> dict[str, str]:
        """What the model is, for a user's eyes: name → value, in reading order.

        ``dtypes`` are those of the weights as stored; the model may be on the meta device.
        """

    @abstractmethod
    def write(
        self, folder: Path, sampler: str, nfe: int, diffusion: Diffusion, text: TextEncoder | None
    ) -> None:
        """Write the files of `save` into an empty folder; ``diffusion`` is of this network."""

    @property
    def resolution(self) -> int:
        """Height of its images, in pixels."""
        return self.shape[1] * self.codec.factor

    def noise_process(self, diffusion: Diffusion) -> Diffusion:
        """The section as it holds for this network, see `of_network`."""
        return of_network(diffusion, self.trained_levels, self.resolution)

    @property
    def sigma_max(self) -> float:
        """The highest noise level that it was trained at."""
        return self.trained_levels[-1].item()

    @property
    def checkpointing(self) -> bool:
        """Whether the backward pass computes activations a second time."""
        return self.model.is_gradient_checkpointing

    def checkpoint_activations(self) -> None:
        """Keep no activations inside the model's blocks, but compute them a second time."""
        self.model.enable_gradient_checkpointing()

    def compile(self) -> None:
        """Compile `forward` in place; parameters keep their names.

        `features` stays as it is: the gradient penalty needs its second derivative, which compiled
        code has not.
        """
        self.model.compile()

    def train_keys_and_values(self) -> list[nn.Parameter]:
        """Freeze all but the layers through which the condition is read.

        Returns:
            The trainable parameters (Kumari et al. 2023, Custom Diffusion).
        """
        parts = tuple(f".{name}." for name in self.LAYERS["keys_and_values"])
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(any(part in name for part in parts))
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def add_adapters(self, rank: int, layers: Layers) -> None:
        """Give it low-rank adapters, which alone are trained; see `add_lora`."""
        add_lora(self.model, rank, None if layers == "all" else self.LAYERS[layers])

    def without_adapters(self) -> Self:
        """The network with its adapters merged into the weights: the ordinary model, to be saved.

        Raises:
            ValueError: an adapter holds a value that is not finite.
        """
        other = copy.copy(self)
        other._modules = self._modules | {self.FOLDER: merged_lora(self.model)}
        return other

    def save(
        self,
        folder: str | Path,
        sampler: str = "ddim",
        nfe: int = 25,
        diffusion: Diffusion | None = None,
        text: TextEncoder | None = None,
    ) -> None:
        """Export: a pipeline folder that the model's library loads, and that knows how to draw.

        Args:
            folder: to write.
            sampler: ``few_step``, ``ddim`` or ``heun``.
            nfe: network evaluations an image.
            diffusion: the noise process; by default a section's defaults.
            text: text encoder, for a network that reads text.

        Raises:
            UserError: ``folder`` is a file, or holds what the new folder does not.
            ValueError: the model still carries adapters.
        """
        if any(ADAPTER in name for name in self.model.state_dict()):
            raise ValueError("the model carries adapters; export what `without_adapters` returns")
        diffusion = self.noise_process(diffusion or Diffusion())
        with atomic_folder(Path(folder)) as partial:
            self.write(partial, sampler, nfe, diffusion, text)
            seal(partial)

    def _autocast(self, x: Tensor) -> torch.autocast:
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16)


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Let gradients pass *through* the modules without being computed *for* their weights.

    Under gradient checkpointing this changes nothing: the second forward pass comes after this
    block, and must find the weights as the first one did.
    """
    frozen_now = [module for module in modules if not getattr(module, "checkpointing", False)]
    parameters = [p for module in frozen_now for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
