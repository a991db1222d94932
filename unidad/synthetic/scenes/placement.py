"""Where the subject stands in the picture."""

from __future__ import annotations

import numpy as np

from unidad.synthetic.scenes.attributes import Scenes
from unidad.synthetic.scenes.grammar import LIVE
from unidad.synthetic.scenes.properties import CUBE_INSET, CUBE_MIDDLE

BESIDE = (
    "with a mountain in the background",
    "with a blue house in the background",
    "with a tree and autumn leaves in the background",
    "with the Eiffel Tower in the background",
)
"""Contexts whose thing stands beside the subject."""
FLOATING = ("floating on top of water", "floating in an ocean of milk")
MIRROR = "on top of a mirror"

FOOT = 0.8
"""A subject stands on v = FOOT of its frame."""


def placement(scenes: Scenes) -> dict[str, np.ndarray]:
    """Numbers of the map from picture to frame, each float32 (N,).

    `centre` and `foot` are where the subject stands in the picture, `scale` its size there,
    `cos` and `sin` of its tilt, `flip` -1 if mirrored. On a cube it is smaller by `inset`, round
    (`inset_u`, `inset_v`); elsewhere `inset` is 1.
    """
    values, context = scenes.values, scenes.words("context")
    beside, mirror = np.isin(context, BESIDE), context == MIRROR
    cube = scenes.words("property") == "cube shaped"
    angle = 0.24 * (values["roll"].astype(np.float64) - 0.5)
    live = np.isin(scenes.words("category"), LIVE)
    away = np.where(beside, 0.3 * (1 - 2 * values["side"]), 0)
    numbers = {
        "centre": 0.2 * (values["position_x"] - 0.5) + away,
        "foot": np.where(mirror, 0.46, 0.78) + 0.12 * (values["position_y"] - 0.5),
        "scale": (0.92 + 0.12 * values["size"])
        * np.where(beside | mirror, 0.84, 1.0)
        * np.where(live, 0.94, 1.0),
        "cos": np.cos(angle),
        "sin": np.sin(angle),
        "flip": 1 - 2 * values["mirrored"],
        "inset": np.where(cube, CUBE_INSET, 1.0),
        "inset_u": np.where(cube, CUBE_MIDDLE[0], 0.0),
        "inset_v": np.where(cube, CUBE_MIDDLE[1], 0.0),
    }
    return {name: array.astype(np.float32) for name, array in numbers.items()}
