"""What every section of settings is, and the kinds of values that sections share."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
)

MOST = 2**63 - 1
"""The largest whole number that random generators and arrays take."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""Control characters, separators of lines, signs that turn the direction of writing, halves."""
MOST_IMAGES, MOST_NFE = 1_000_000, 10_000
PATTERNS = {
    r"\S": "a text that is not empty",
    r"^[A-Za-z0-9_-]+$": "a name of letters, digits, _ and -",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "a name of letters, digits, _, - and ., not first a sign",
    r"^[0-9a-fA-F]{64}$": "a SHA-256: 64 digits from 0 to f",
    r"^\S+$": "one word",
}
"""Patterns of texts → what they allow, in words."""


def _number(value: Any) -> Any:
    """Python's booleans are numbers, too, but nobody's here."""
    if isinstance(value, bool):
        raise ValueError("Input should be a number, not true or false")
    if isinstance(value, int) and abs(value) > MOST:
        raise ValueError(f"Input should be at most {MOST}")
    return value


def _distinct(values: tuple) -> tuple:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} stands twice; each counts once")
    return values


NUMBER = BeforeValidator(_number)
"""Beside the limits of a number: what looks like one to Python alone is none."""
DISTINCT = AfterValidator(_distinct)
"""A list whose values differ."""
Number = Annotated[float, NUMBER]
Unit = Annotated[float, Field(ge=0, le=1), NUMBER]
Decay = Annotated[float, Field(ge=0, lt=1), NUMBER]
Positive = Annotated[float, Field(gt=0), NUMBER]
NotNegative = Annotated[float, Field(ge=0), NUMBER]
Seed = Annotated[int, Field(ge=0), NUMBER]
Whole = Annotated[int, Field(ge=0), NUMBER]
Count = Annotated[int, Field(ge=1), NUMBER]
Images = Annotated[int, Field(ge=1, le=MOST_IMAGES), NUMBER]
"""A number of images: they are held in memory."""
Evaluations = Annotated[int, Field(ge=1, le=MOST_NFE), NUMBER]
"""Of a network, for an image."""
Sigma = Annotated[float, Field(ge=1e-6, le=1e6), NUMBER]
"""A noise level; beyond these, float32 knows no image or no noise."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Text = Annotated[str, Field(pattern=r"\S")]
Word = Annotated[str, Field(pattern=r"^\S+$")]


class Section(BaseModel):
    """A frozen section that knows all its keys; its numbers are finite, its texts printable."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @field_validator("*")
    @classmethod
    def _printable(cls, value: Any) -> Any:
        """Neither files nor tables can hold a text's control characters."""
        for text in value if isinstance(value, (tuple, dict)) else (value,):
            if isinstance(text, str) and CONTROL.search(text):
                raise ValueError(f"{text!r}: a control character is in this text; leave it out")
        return value


def merged(base: dict, over: dict) -> dict:
    """One mapping over another: mappings inside are merged likewise, all else is replaced.

    A key that both have is the latter's: it knows the line of its value.
    """
    own = {key: key for key in over}
    both = {own.get(key, key): value for key, value in base.items()} | over
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            both[key] = merged(base[key], value)
    return both
