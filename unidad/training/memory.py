"""What a training can do to need less memory on its device; docs/memory.md has the numbers."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

import torch
from accelerate import cpu_offload_with_hook
from accelerate.hooks import UserCpuOffloadHook
from torch import nn

from unidad.errors import UserError
from unidad.networks.backbone import Backbone


def checkpoint_activations(networks: Iterable[nn.Module]) -> None:
    """Keep no activations inside the blocks of networks (Chen et al. 2016).

    They are computed a second time: the same gradient for about a third more work.
    """
    for network in networks:
        if isinstance(network, Backbone):
            network.checkpoint_activations()


def store_in_bf16(teachers: Iterable[Backbone]) -> None:
    """Round the weights of frozen networks to bfloat16, and run them under its autocast."""
    for teacher in teachers:
        nn.Module.to(teacher.model, torch.bfloat16)  # diffusers' own warns, of an empty list
        teacher.bf16 = True


def offload(teachers: Iterable[Backbone], device: torch.device) -> list[UserCpuOffloadHook]:
    """Keep frozen networks on the host; a call brings one to the device, ``offload()`` back."""
    return [cpu_offload_with_hook(teacher, device)[1] for teacher in teachers]


def adamw_8bit(parameters: list[nn.Parameter], **options) -> torch.optim.Optimizer:
    """AdamW with moments of 8 bits, in blocks of 256 (Dettmers et al. 2022).

    It makes weights contiguous at its first step, but not the moments: from then on neither must
    be laid out otherwise, or moments would go to other weights when a checkpoint is read.

    Args:
        parameters: to be trained; become contiguous.
        options: ``lr``, ``betas``, ``weight_decay``.

    Raises:
        UserError: bitsandbytes is not installed.
    """
    check_installed("bitsandbytes", "training.adam_8bit")
    from bitsandbytes.optim import AdamW8bit

    for parameter in parameters:
        parameter.data = parameter.data.contiguous()
    return AdamW8bit(parameters, **options)


def check_installed(name: str, key: str) -> None:
    """Refuse a setting whose package is not here.

    Args:
        name: of the package.
        key: that asks for it, for the message.

    Raises:
        UserError: it is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise UserError(f"{key}: {name} is not installed; `pip install {name}`, or leave it out")
