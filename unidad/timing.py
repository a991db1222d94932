"""What time is measured by: work on a CPU by processor seconds, on a GPU by the clock."""

from __future__ import annotations

import time

import torch


def now() -> float:
    """Seconds of the processor (all cores), which other work on a machine hardly changes.

    With a GPU, seconds of the clock; the GPU has done by then what it was asked.
    """
    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()
