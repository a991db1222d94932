"""Prompts → text embeddings, with a frozen CLIP text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unidad.errors import UserError

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer


class TextEncoder:
    """The last hidden states of a frozen ``CLIPTextModel``, kept for every prompt seen.

    Args:
        tokenizer: of the model.
        model: becomes untrainable.
    """

    def __init__(self, tokenizer: CLIPTokenizer, model: CLIPTextModel):
        self.tokenizer = tokenizer
        self.model = model.eval().requires_grad_(False)
        self.length = min(tokenizer.model_max_length, model.config.max_position_embeddings)
        self._known: dict[str, Tensor] = {}

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """Embed prompts, padded to the full length as Stable Diffusion does.

        Returns:
            float32 (N, L, D), on the model's device; L is 77 for CLIP.

        Raises:
            UserError: a prompt is longer than L tokens, start and end included.
        """
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._known]
        if new:
            self._known |= zip(new, self._embed(new), strict=True)
        return torch.stack([self._known[prompt] for prompt in prompts]).to(self.model.device)

    def check_words(self, phrase: str, what: str) -> None:
        """Refuse a phrase of which a word is not one token of the vocabulary.

        A rare token that falls into pieces shares them with other words; so does a class word.

        Args:
            phrase: the rare token, or the class ("dog", "stuffed animal").
            what: what to call it in the message.

        Raises:
            UserError: names the word and its pieces.
        """
        if not phrase.split():
            raise UserError(f"{what} is empty; give a word that the tokenizer knows")
        for word in phrase.split():
            pieces = self.tokenizer.tokenize(word)
            if pieces != [self.tokenizer.unk_token] and len(pieces) == 1:
                continue
            named = " + ".join(piece.removesuffix("</w>") for piece in pieces)
            raise UserError(
                f"{what} '{phrase}': '{word}' is not one token but {named}; "
                "choose a word that the tokenizer keeps whole"
            )

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Numbers (N, L) of the prompts' tokens, on the model's device; raises as the call does."""
        for prompt in prompts:
            count = len(self.tokenizer.tokenize(prompt)) + 2
            if count > self.length:
                raise UserError(
                    f"prompt of {count} tokens, at most {self.length} fit: '{prompt[:80]}'; "
                    "shorten it"
                )
        tokens = self.tokenizer(
            list(prompts), padding="max_length", max_length=self.length, return_tensors="pt"
        )
        return tokens.input_ids.to(self.model.device)

    @torch.no_grad()
    def _embed(self, prompts: list[str]) -> Tensor:
        return self.model(self.tokens(prompts)).last_hidden_state
