"""The words of a scene: what can be said about it, and how a prompt says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from unidad.errors import UserError

RARE_TOKEN = "prt"
"""Stands for the one subject to be learnt; no source caption holds it."""

OBJECTS = (
    *("backpack", "boot", "bowl", "can", "candle", "clock"),
    *("sneaker", "stuffed animal", "teapot", "toy", "vase"),
)
LIVE = ("cat", "dog")
CATEGORIES = OBJECTS + LIVE

PROPERTIES = ("red", "purple", "shiny", "wet", "cube shaped")

ACCESSORIES = (
    "wearing a red hat",
    "wearing a santa hat",
    "wearing a rainbow scarf",
    "wearing a black top hat and a monocle",
    "in a chef outfit",
    "in a firefighter outfit",
    "in a police outfit",
    "wearing pink glasses",
    "wearing a yellow shirt",
    "in a purple wizard outfit",
)
"""Only live subjects wear them."""

PROMPTED_CONTEXTS = (
    "in the jungle",
    "in the snow",
    "on the beach",
    "on a cobblestone street",
    "on top of pink fabric",
    "on top of a wooden floor",
    "with a city in the background",
    "with a mountain in the background",
    "with a blue house in the background",
    "on top of a purple rug in a forest",
    "with a wheat field in the background",
    "with a tree and autumn leaves in the background",
    "with the Eiffel Tower in the background",
    "floating on top of water",
    "floating in an ocean of milk",
    "on top of green grass with sunflowers around it",
    "on top of a mirror",
    "on top of the sidewalk in a crowded street",
    "on top of a dirt road",
    "on top of a white rug",
)
"""Contexts of the DreamBooth prompts."""

EVERYDAY_CONTEXTS = (
    "on a grey sofa",
    "on a lawn in front of a fence",
    "in a tiled kitchen",
    "on a checked tablecloth",
    "in front of a brick wall",
)
"""Contexts of the training photos; no DreamBooth prompt asks for them."""

CONTEXTS = PROMPTED_CONTEXTS + EVERYDAY_CONTEXTS


@dataclass(frozen=True)
class Description:
    """What a prompt says; an empty string is left open (context) or absent (the others)."""

    category: str
    context: str = ""
    property: str = ""
    accessory: str = ""

    def caption(self, token: str = "") -> str:
        """The prompt for this description, with `token` before the class if one is given."""
        words = ("a", self.property, token, self.category, self.accessory, self.context)
        return " ".join(word for word in words if word)


def _one_of(name: str, words: Sequence[str]) -> str:
    return f"(?P<{name}>{'|'.join(map(re.escape, words))})"


_PROMPT = re.compile(
    f"a (?:{_one_of('property', PROPERTIES)} )?(?:{RARE_TOKEN} )?{_one_of('category', CATEGORIES)}"
    f"(?: {_one_of('accessory', ACCESSORIES)})?(?: {_one_of('context', CONTEXTS)})?"
)


def scene_of(prompt: str) -> Description:
    """What a prompt asks for: the inverse of `Description.caption`, with or without the token.

    Raises:
        UserError: the prompt is outside the grammar, or dresses an object.
    """
    match = _PROMPT.fullmatch(prompt)
    if match is None:
        raise UserError(
            f"prompt {prompt!r} cannot be drawn as a synthetic scene; word it like "
            "'a red cat wearing a santa hat in the snow', with a class, property, accessory "
            "and context that unidad.synthetic.scenes lists"
        )
    description = Description(**{name: word or "" for name, word in match.groupdict().items()})
    if description.accessory and description.category not in LIVE:
        raise UserError(f"prompt {prompt!r} dresses a {description.category}; only animals dress")
    return description
