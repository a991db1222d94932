"""The tokenizer of the synthetic scenes: every word of their grammar is one token."""

from __future__ import annotations

import string

from transformers import CLIPTokenizer

from unidad.synthetic.scenes.grammar import (
    ACCESSORIES,
    CATEGORIES,
    CONTEXTS,
    PROPERTIES,
    RARE_TOKEN,
)

MAX_LENGTH = 24
"""Tokens of the longest prompt of the grammar, its start and end included."""
START, END = "<|startoftext|>", "<|endoftext|>"
PHRASES = (*CATEGORIES, *PROPERTIES, *ACCESSORIES, *CONTEXTS, f"a {RARE_TOKEN}")


def scene_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer whose byte-pair merges make every word of the grammar one token.

    Other words of the letters a to z fall into pieces. The rare token is in the vocabulary, though
    no caption of the source scenes holds it.
    """
    letters = string.ascii_lowercase
    tokens = [START, END, *letters, *(letter + "</w>" for letter in letters)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges: list[tuple[str, str]] = []
    for word in dict.fromkeys(" ".join(PHRASES).split()):
        while len(pieces := CLIPTokenizer(vocabulary, merges).tokenize(word)) > 1:
            merges.append((pieces[0], pieces[1]))
            vocabulary.setdefault(pieces[0] + pieces[1], len(vocabulary))
    return CLIPTokenizer(vocabulary, merges, model_max_length=MAX_LENGTH)
