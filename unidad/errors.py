"""The one exception that means "the user can mend this", and words for its message."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake in input, configuration or environment, told in one line.

    The message says what is wrong, where, and how to mend it. The command line prints it without
    a traceback and exits with status 2.
    """


def one_line(error: object) -> str:
    """What a library's error says, without its line breaks."""
    return " ".join(str(error).split())


def meant(word: object, known: Iterable[str]) -> str:
    """``; did you mean 'seeds'?``, where one of the known words is near; else nothing."""
    near = get_close_matches(str(word), list(known), 1)
    return f"; did you mean '{near[0]}'?" if near else ""
