"""Images that a student drew, kept to be mixed into its teacher's batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unidad.diffusion.draws import integers, uniform
from unidad.diffusion.process import per_image


class EchoImages(nn.Module):
    """Images that the student drew for the teacher: a part of checkpoints, trained by nothing."""

    def __init__(self, count: int, shape: tuple[int, ...]):
        super().__init__()
        self.register_buffer("x0", torch.zeros(count, *shape))

    def mixed(self, x0: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """Images (N, C, H, W), of which each is replaced with probability ``share``."""
        chosen = integers(0, len(self.x0), len(x0), generator)
        replaced = uniform(len(x0), generator) < share
        echoes = self.x0[chosen.to(x0.device)]
        return torch.where(per_image(replaced.to(x0.device), x0), echoes, x0)
