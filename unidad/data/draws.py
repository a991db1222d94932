"""Random numbers addressed by what they are for, without any state."""

from __future__ import annotations

import zlib

import numpy as np


class Draws:
    """Random numbers addressed by (series, index, name).

    Args:
        series: any whole number; another one is another, independent series.
        indices: whole numbers (N,), at least 0.
    """

    def __init__(self, series: int, indices: np.ndarray) -> None:
        start = np.array([series % 2**64], dtype=np.uint64)
        self._keys = splitmix64(splitmix64(start) + indices.astype(np.uint64))

    def __call__(self, name: str, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """Uniform float64 (N,) in [low, high), independent for each name."""
        number = np.array([zlib.crc32(name.encode())], dtype=np.uint64)
        bits = splitmix64(self._keys ^ splitmix64(number)) >> np.uint64(11)
        return low + (high - low) * (bits.astype(np.float64) * 2.0**-53)


def splitmix64(state: np.ndarray) -> np.ndarray:
    """Next output of the generator splitmix64 (Steele, Lea and Flood 2014), uint64 (N,)."""
    mixed = state + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
