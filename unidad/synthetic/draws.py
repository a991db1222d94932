"""Random numbers addressed by what they are for, without any state."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from unidad.errors import UserError


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


def checked_indices(
    seed: int, indices: Sequence[int] | np.ndarray | range, what: str
) -> np.ndarray:
    """The indices as an array (N,), if they and the seed can address draws.

    Args:
        seed: a whole number, at least 0.
        indices: whole numbers, at least 0.
        what: is counted by the indices, for the message: "faces".

    Raises:
        UserError: the seed or an index is anything else.
    """
    if seed < 0 or seed != int(seed):
        raise UserError(f"seed {seed} is not a whole number of at least 0")
    checked = np.asarray(indices)
    if checked.ndim != 1 or (
        checked.size and (checked.dtype.kind not in "iu" or checked.min() < 0)
    ):
        raise UserError(f"indices of {what} must be a flat list of whole numbers of at least 0")
    return checked
