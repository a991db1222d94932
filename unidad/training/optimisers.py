"""What moves weights: AdamW, and the student's moving average."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from unidad.config.training import Training
from unidad.training.memory import adamw_8bit


def new_optimiser(
    parameters: list[nn.Parameter], rate: float, settings: Training
) -> torch.optim.Optimizer:
    """AdamW as the settings want it: fused, or with moments of 8 bits."""
    make = adamw_8bit if settings.adam_8bit else partial(torch.optim.AdamW, fused=True)
    return make(
        parameters,
        lr=rate,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
    )


@torch.no_grad()
def update_average(average: nn.Module, student: nn.Module, decay: float, updates: int) -> None:
    """Move an average towards the student by ``1 - decay``, in place; by more in the beginning.

    Args:
        average: may be on another device.
        student: of which what is trained is averaged.
        decay: that of a long run; at most ``(1 + updates) / (10 + updates)`` is used, or the
            average would remember where the run began.
        updates: of the student so far, the last one included.
    """
    decay = min(decay, (1 + updates) / (10 + updates))
    pairs = zip(average.parameters(), student.parameters(), strict=True)
    averages, weights = zip(*(pair for pair in pairs if pair[1].requires_grad), strict=True)
    weights = [weight.to(mean.device) for mean, weight in zip(averages, weights, strict=True)]
    torch._foreach_lerp_(averages, weights, 1 - decay)
