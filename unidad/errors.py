"""What is no bug but ends a verb: a mistake, a signal; and words for messages."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake in input, configuration or environment, told in one line.

    The message says what is wrong, where, and how to mend it. The command line prints it without
    a traceback and exits with status 2.
    """


class Stopped(Exception):
    """A signal asked for the end, and what was under way is saved.

    The command line prints it and exits as shells expect it, with 128 and the signal's number.
    """

    def __init__(self, number: int, done: str):
        super().__init__(f"{signal.Signals(number).name}: {done}; run it again to go on")
        self.status = 128 + number


def one_line(error: object) -> str:
    """What a library's error says, without its line breaks."""
    return " ".join(str(error).split())


def meant(word: object, known: Iterable[str]) -> str:
    """``; did you mean 'seeds'?``, where one of the known words is near; else nothing."""
    near = get_close_matches(str(word), list(known), 1)
    return f"; did you mean '{near[0]}'?" if near else ""
