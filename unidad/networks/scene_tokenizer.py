"""The tokenizer of the synthetic scenes: every word of their grammar is one token."""

from __future__ import annotations

import string
from pathlib import Path

from transformers import CLIPTokenizer

from unidad.data.scenes.grammar import ACCESSORIES, CATEGORIES, CONTEXTS, PROPERTIES, RARE_TOKEN

MAX_LENGTH = 24
"""Tokens of the longest prompt of the grammar, its start and end included."""
VOCABULARY = 5000
"""An upper bound: training ends earlier, when no two pieces of a word are left to join."""


def scene_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer trained until every word of the grammar is whole; always the same.

    The rare token is in its vocabulary, though no caption of the source scenes holds it.
    """
    words = [*CATEGORIES, *PROPERTIES, *ACCESSORIES, *CONTEXTS, f"a {RARE_TOKEN}"]
    tokenizer = CLIPTokenizer().train_new_from_iterator(
        [words], VOCABULARY, initial_alphabet=list(string.ascii_lowercase), show_progress=False
    )
    tokenizer.model_max_length = MAX_LENGTH
    return tokenizer


def save_tokenizer(tokenizer: CLIPTokenizer, folder: str | Path) -> None:
    """Write a tokenizer's files, those that transformers before version 5 reads included."""
    tokenizer.save_pretrained(folder)
    tokenizer.backend_tokenizer.model.save(str(folder))
