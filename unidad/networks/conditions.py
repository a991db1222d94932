"""What a run's networks are told about images: embeddings of prompts, or of captions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unidad.diffusion.draws import integers, uniform
from unidad.networks.learned_token import LearnedToken


class Prompts(nn.Module):
    """Embeddings, each (1, L, D), of a run's prompts; they follow the networks' device.

    A subclass has ``target``, of the target's prompt ("a prt cat").

    Args:
        source: of the source's prompt ("a cat").
        null: of the empty prompt, for guidance.
    """

    def __init__(self, source: Tensor, null: Tensor):
        super().__init__()
        self.register_buffer("source", source, persistent=False)
        self.register_buffer("null", null, persistent=False)

    def first(self, count: int) -> Tensor:
        """The target's prompt for ``count`` images, (count, L, D)."""
        return self.target.expand(count, -1, -1)

    def of_batch(self, count: int, chosen: Tensor | None) -> tuple[Tensor, Tensor]:
        """The target's and the source's prompt for ``count`` images, whichever are chosen."""
        return self.first(count), self.source.expand(count, -1, -1)


class Conditions(Prompts):
    """Prompts that stay as they are."""

    def __init__(self, target: Tensor, source: Tensor, null: Tensor):
        super().__init__(source, null)
        self.register_buffer("target", target, persistent=False)


class LearnedConditions(Prompts):
    """Prompts of which the target's has a word that is being learned.

    Args:
        token: the word.
        prompt: the target's; embedded anew whenever ``target`` is read.
        source: as for `Prompts`.
        null: likewise.
        training: prompts with the word that are read in training; none: the target's alone.
    """

    def __init__(
        self,
        token: LearnedToken,
        prompt: str,
        source: Tensor,
        null: Tensor,
        training: Sequence[str] = (),
    ):
        super().__init__(source, null)
        self.token, self.prompt, self.training = token, prompt, tuple(training)

    @property
    def target(self) -> Tensor:
        """Embeddings (1, L, D) of the target's prompt as the word stands now."""
        return self.token(self.prompt)

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        """Prompts of training, one drawn for each of ``count`` images, (count, L, D)."""
        if not self.training:
            return self.first(count)
        chosen = integers(0, len(self.training), count, generator)
        return torch.cat([self.token(self.training[number]) for number in chosen.tolist()])


class Captions(nn.Module):
    """Embeddings of the training images' own captions, each distinct one kept once.

    Args:
        distinct: (K, L, D).
        rows: of each image's caption among them, int64 (N,).
        null: of the empty caption, (1, L, D).
    """

    def __init__(self, distinct: Tensor, rows: Tensor, null: Tensor):
        super().__init__()
        self.register_buffer("distinct", distinct, persistent=False)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("null", null, persistent=False)

    def forward(self, chosen: Tensor) -> Tensor:
        """Embeddings (M, L, D) of the captions of images ``chosen`` (M,)."""
        return self.distinct[self.rows[chosen]]

    def first(self, count: int) -> Tensor:
        """Captions of the first images, (count, L, D), from the beginning again after the last."""
        return self(torch.arange(count, device=self.rows.device) % len(self.rows))

    def of_batch(self, count: int, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The captions of images ``chosen`` (count,); source and target read the same."""
        captions = self(chosen)
        return captions, captions

    def dropped(self, condition: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """Conditions (M, L, D) with the empty caption in place of a random share."""
        empty = uniform(len(condition), generator) < share
        return torch.where(empty.to(condition.device).reshape(-1, 1, 1), self.null, condition)
