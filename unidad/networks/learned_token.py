"""One word of a frozen text encoder, learned (textual inversion, Gal et al. 2023)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from unidad.errors import UserError
from unidad.networks.text import TextEncoder


class LearnedToken(nn.Module):
    """Embeds prompts through a text encoder in whose vocabulary one word's embedding is learned.

    The one parameter is that embedding: the encoder is no part of the module's state, and follows
    it from device to device.

    Args:
        text: the encoder; stays as it is.
        word: one token of its vocabulary.
        start: words, each one token, whose mean embedding the learned one starts from; the word
            itself leaves it where it is.

    Raises:
        UserError: the word is not one token.
    """

    def __init__(self, text: TextEncoder, word: str, start: str):
        super().__init__()
        self.text, self.word = text, word
        numbers = self._numbers(word)
        if len(numbers) != 1:
            raise UserError(
                f"'{word}' is {len(numbers)} tokens, and one is learned; choose a single word "
                "that the tokenizer keeps whole"
            )
        self.number = numbers[0]
        rows = text.model.get_input_embeddings().weight[self._numbers(start)]
        self.embedding = nn.Parameter(rows.detach().mean(0))

    def forward(self, prompt: str) -> Tensor:
        """Embeddings (1, L, D) of a prompt with the word in it; differentiable.

        Raises:
            UserError: the word is not in the prompt, or the prompt is too long.
        """
        model = self.text.model.to(self.embedding.device)
        tokens = self.text.tokens([prompt])
        if not (tokens == self.number).any():
            raise UserError(f"'{prompt}' does not contain the learned word '{self.word}'; add it")
        with model.get_input_embeddings().register_forward_hook(self._put_in_place):
            return model(tokens).last_hidden_state

    def text_encoder(self) -> TextEncoder:
        """A copy of the text encoder that knows the word as it was learned."""
        model = copy.deepcopy(self.text.model)
        with torch.no_grad():
            model.get_input_embeddings().weight[self.number] = self.embedding
        return TextEncoder(self.text.tokenizer, model)

    def _put_in_place(self, table: nn.Module, tokens: tuple[Tensor], rows: Tensor) -> Tensor:
        return torch.where((tokens[0] == self.number).unsqueeze(-1), self.embedding, rows)

    def _numbers(self, words: str) -> list[int]:
        return self.text.tokenizer.convert_tokens_to_ids(self.text.tokenizer.tokenize(words))
