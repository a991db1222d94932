"""What the machine allows: precision, and what must be saved of a GPU's memory."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import torch

GRADIENTS, WEIGHTS, MOMENTS = 4, 12, 24
"""Bytes a parameter: one network's gradients, three networks' weights, and AdamW's moments."""
TEACHER, AVERAGE = 4, 4
ACTIVATIONS = 25
"""Bytes a parameter of a batch of one under bfloat16; of ADM-256, see docs/memory.md."""
CHECKPOINTED = 0.4
"""Share of the activations that gradient checkpointing leaves."""
USABLE = 0.9
"""Share of a GPU's memory that a training may take."""


@dataclass(frozen=True)
class Machine:
    """A machine to train on.

    Attributes:
        name: of its GPU; None without one.
        memory: bytes of the GPU.
        bf16: whether it computes in bfloat16.
    """

    name: str | None = None
    memory: int = 0
    bf16: bool = False


def this_machine() -> Machine:
    """The first GPU that torch sees, or none."""
    if not torch.cuda.is_available():
        return Machine()
    device = torch.cuda.get_device_properties(0)
    return Machine(device.name, device.total_memory, torch.cuda.is_bf16_supported())


def savings(parameters: int, memory: int, has_8bit: bool | None = None) -> list[str]:
    """Settings of ``training`` that a GPU's memory asks for, cheapest first; see docs/memory.md.

    Args:
        parameters: of one network.
        memory: of the GPU, in bytes.
        has_8bit: whether bitsandbytes is there; found out if it is not given.
    """
    if has_8bit is None:
        has_8bit = find_spec("bitsandbytes") is not None
    needed = parameters * (WEIGHTS + MOMENTS + GRADIENTS + TEACHER + AVERAGE + ACTIVATIONS)
    saved = {
        "ema_on_host": AVERAGE,
        "gradient_checkpointing": (1 - CHECKPOINTED) * ACTIVATIONS,
        "offload_teachers": TEACHER,
        **({"adam_8bit": 0.75 * MOMENTS} if has_8bit else {}),
    }
    chosen = []
    for name, bytes_ in saved.items():
        if needed <= USABLE * memory:
            break
        chosen.append(name)
        needed -= parameters * bytes_
    return chosen
