"""What each memory saving is worth for ADM-256, computed: prints the table of docs/memory.md.

    python benchmarks/memory.py

Weights, gradients and moments are counted from the parameters. Activations are what autograd keeps
of the student's update in the package's own code, run on fake tensors: shapes and types without
any values, so that neither a GPU nor 20 GB are needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import UNet2DModel
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from unidad.diffusion.levels import student_levels
from unidad.diffusion.samplers import few_step_trajectory
from unidad.networks.adm import HEAD_CHANNELS, RESOLUTION, Architecture, adm_scheduler, unet_config
from unidad.networks.backbone import frozen
from unidad.networks.discriminator import MultiHead
from unidad.networks.unet import UNet
from unidad.training.memory import checkpoint_activations

NFE = 3
FFHQ = Architecture(
    in_channels=3,
    out_channels=6,
    channels=(256, 256, 512, 512, 1024, 1024),
    layers=2,
    attention=(False, False, False, True, True, True),
    resampling="resnet",
    time_scale_shift="scale_shift",
)
"""Of ``ffhq.pt``, the paper's source teacher."""
FLOAT, HALF, MOMENTS, MOMENTS_8BIT = 4, 2, 8, 2
"""Bytes a parameter: a weight or gradient, and AdamW's two moments."""


@dataclass(frozen=True)
class Choice:
    """Settings of a row; Uni-DAD with an online target teacher."""

    name: str
    bf16: bool = True
    batch: int = 1
    gradient_checkpointing: bool = False
    bf16_teachers: bool = False
    offload_teachers: bool = False
    adam_8bit: bool = False
    ema_on_host: bool = False


ALL = dict.fromkeys(
    ("gradient_checkpointing", "bf16_teachers", "offload_teachers", "adam_8bit", "ema_on_host"),
    True,
)
CHOICES = [
    Choice("none, float32", bf16=False),
    Choice("none, `bf16: true` (the paper's)"),
    *(Choice(f"`{name}: true`", **{name: True}) for name in ALL),
    Choice("all five", **ALL),
    Choice("none, `batch_size: 4`", batch=4),
    Choice("`batch_size: 4`, `gradient_accumulation: 4`", batch=1),
    Choice("all five, `batch_size: 4`", batch=4, **ALL),
]


class Kept:
    """Counts the bytes that autograd keeps, each storage once, without the weights themselves."""

    def __init__(self, *networks: nn.Module):
        self._known = {_storage(p) for network in networks for p in network.parameters()}
        self._alive: list[Tensor] = []
        self.bytes = 0

    def __call__(self, tensor: Tensor) -> Tensor:
        """The packing half of ``torch.autograd.graph.saved_tensors_hooks``."""
        if _storage(tensor) not in self._known:
            self._known.add(_storage(tensor))
            self._alive.append(tensor)  # or the address would be given to another
            self.bytes += tensor.untyped_storage().nbytes()
        return tensor


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def activations(choice: Choice) -> int:
    """Bytes kept at the end of the student's forward pass, and the largest block computed anew."""
    networks = [_network(choice.bf16) for _ in range(3)]
    with FakeTensorMode(allow_non_fake_inputs=True):
        student, fake_score, other = map(_on_fake_weights, networks)
        head = MultiHead(fake_score.feature_channels)
        if choice.gradient_checkpointing:
            checkpoint_activations([student, fake_score])
        kept = Kept(student, fake_score, head)
        with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
            _student_update(student, fake_score, head, choice.batch)
        again = _largest_block(other, choice.batch) if choice.gradient_checkpointing else 0
        return kept.bytes + again


def _network(bf16: bool) -> UNet:
    with torch.device("meta"):
        unet = UNet2DModel(**unet_config(FFHQ, HEAD_CHANNELS, RESOLUTION))
    return UNet(unet, adm_scheduler(FFHQ.learned_variance), bf16)


def _on_fake_weights(network: UNet) -> UNet:
    """Within a fake mode: weights that believe to be on the CPU, where autocast is."""
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(torch.empty_like(parameter, device="cpu")))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty_like(buffer, device="cpu"))
    return network


def _student_update(student: UNet, fake_score: UNet, head: nn.Module, batch: int) -> Tensor:
    """The images in three steps, and the discriminator's view of them (DMD keeps nothing)."""
    noise = torch.empty(batch, *student.shape)
    *_, x0 = few_step_trajectory(student, student_levels(NFE), lambda: noise)
    with frozen(fake_score, head):
        return head(fake_score.features(x0, torch.ones(batch))).sum()


def _largest_block(network: UNet, batch: int) -> int:
    """Bytes that the largest residual block keeps while it is computed for the second time."""
    kept, sizes = Kept(network), []
    for block in (module for module in network.modules() if isinstance(module, ResnetBlock2D)):
        block.register_forward_pre_hook(lambda *_: sizes.append(-kept.bytes))
        block.register_forward_hook(lambda *_: sizes.append(kept.bytes + sizes.pop()))
    with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
        network(torch.empty(batch, *network.shape), torch.ones(batch))
    return max(sizes)


def resident(choice: Choice, parameters: int) -> dict[str, float]:
    """GB of what stays on the GPU: three trained networks, a frozen one, the moving average."""
    moments = MOMENTS_8BIT if choice.adam_8bit else MOMENTS
    teacher = HALF if choice.bf16_teachers else FLOAT
    sizes = {
        "trained": 3 * FLOAT,
        "moments": 3 * moments,
        "teacher": 0 if choice.offload_teachers else teacher,
        "average": 0 if choice.ema_on_host else FLOAT,
    }
    return {name: size * parameters / 1e9 for name, size in sizes.items()}


def peak(choice: Choice, parameters: int, kept: float) -> float:
    """GB at the student's backward pass, where activations and gradients meet.

    An offloaded teacher is on the GPU before it, but not with the gradients.
    """
    teacher = HALF if choice.bf16_teachers else FLOAT
    passing = max(FLOAT, teacher) if choice.offload_teachers else FLOAT
    return sum(resident(choice, parameters).values()) + passing * parameters / 1e9 + kept


def main() -> None:
    """Print the table as Markdown."""
    parameters = sum(p.numel() for p in _network(False).parameters())
    names = ("weights", "moments", "source teacher", "moving average", "activations", "peak")
    print(f"| GB, {parameters / 1e6:.1f} M parameters | " + " | ".join(names) + " |")
    print("|---" * 7 + "|")
    for choice in CHOICES:
        kept = activations(choice) / 1e9
        values = [*resident(choice, parameters).values(), kept, peak(choice, parameters, kept)]
        print(f"| {choice.name} | " + " | ".join(f"{value:.1f}" for value in values) + " |")


if __name__ == "__main__":
    main()
