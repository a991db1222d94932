"""Signals that end a training: after the student update under way, with a checkpoint."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""What a cluster sends before it kills, a lost connection, and Ctrl-C."""


class StopRequest:
    """Notes the first of `SIGNALS` while its block runs; a second Ctrl-C interrupts at once.

    Outside the main thread, where Python takes no signals, nothing is ever asked for.
    """

    def __init__(self) -> None:
        self.number = 0
        """Of the signal that came, 0 before."""

    def __enter__(self) -> Self:
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = self.number or number
