"""How the benchmark's networks are made: AdamW, one cycle of the rate, a progress bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Making:
    """What all trainings are told beside their recipe.

    Attributes:
        out: folder that appears, or is replaced, when training is done.
        resolution: that the network works at, in pixels: 16 to 128.
        progress: show progress bars.
        command: what was typed, for the card.
    """

    out: Path
    resolution: int = 32
    progress: bool = True
    command: str = ""


def seeded(seed: int, build: Callable[[], Network]) -> Network:
    """A fresh network, initialised from a seed; torch's global generator stays as it is."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


@dataclass(frozen=True)
class Descent:
    """Settings of the optimiser that no recipe names.

    Attributes:
        rate: the largest learning rate.
        warmup_share: of the updates, over which the rate rises; after them it falls to nothing.
        weight_decay: AdamW's.
        clip_norm: largest norm of the gradient; None: any.
        fused: AdamW in one kernel, which rounds otherwise.
    """

    rate: float
    warmup_share: float
    weight_decay: float
    clip_norm: float | None = None
    fused: bool | None = None

    def run(
        self,
        network: nn.Module,
        loss: Callable[[int], Tensor],
        updates: int,
        name: str,
        progress: bool = True,
    ) -> None:
        """Train a network.

        Args:
            network: whose parameters are trained.
            loss: number of the update, from 0 → its loss, a scalar.
            updates: of the optimiser.
            name: of what is trained, for the progress bar.
            progress: show a progress bar.
        """
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=self.rate, weight_decay=self.weight_decay, fused=self.fused
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, self.rate, total_steps=updates + 1, pct_start=self.warmup_share
        )
        bar = tqdm(range(updates), desc=name, unit="update", disable=not progress)
        for update in bar:
            found = loss(update)
            optimiser.zero_grad(set_to_none=True)
            found.backward()
            if self.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
            optimiser.step()
            schedule.step()
            bar.set_postfix(loss=f"{found.item():.3f}", refresh=False)
