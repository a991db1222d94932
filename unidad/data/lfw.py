"""A target of real photographs that needs no download: a part of Labeled Faces in the Wild.

scikit-image's package contains a hundred of its faces, grey, 25 pixels wide and high: G. B. Huang,
M. Ramesh, T. Berg, E. Learned-Miller, Labeled Faces in the Wild, University of Massachusetts,
Amherst, Technical Report 07-49, 2007. They are not copied into the project.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unidad.data.crop import square
from unidad.data.image_set import ImageSet
from unidad.data.prepared import REFERENCE, Part, ascending, shots_file, write_folder
from unidad.data.recipes import LfwTarget
from unidad.errors import UserError

FACES = 100
"""The first so many of ``skimage.data.lfw_subset()``; the others show no face."""


def prepare_lfw(out: str | Path, settings: LfwTarget) -> dict[str, Any]:
    """Make ``shots{k}.npz``, the first k faces, for each k, and ``reference.npz``, the others.

    The faces after the largest set of shots are the reference of all.

    Args:
        out: the folder to fill.
        settings: sizes and resolution; faces are enlarged to it.

    Returns:
        The manifest, as written to ``manifest.json``.

    Raises:
        UserError: scikit-image is not installed, or the shots leave no held-out face.
    """
    shots = ascending(settings.shots)
    if shots[-1] >= FACES:
        raise UserError(
            f"shots {shots[-1]}: lfw has {FACES} faces, and some must be held out; lower 'shots'"
        )
    faces = _faces(settings.resolution)
    parts = {shots_file(k): _part(faces, 0, k) for k in shots}
    parts[REFERENCE] = _part(faces, shots[-1], FACES)
    about = {"kind": "lfw", "domain": None, "seed": None, "resolution": settings.resolution}
    return write_folder(Path(out), parts, about | {"attributes": []})


def _part(faces: np.ndarray, start: int, stop: int) -> Part:
    return Part(ImageSet(faces[start:stop]), {"indices": [start, stop]})


def _faces(resolution: int) -> np.ndarray:
    """uint8 (FACES, resolution, resolution, 3)."""
    try:
        from skimage.data import lfw_subset
    except ImportError:
        raise UserError(
            "domain lfw: needs scikit-image; `pip install 'unidad[photo]'` brings it"
        ) from None

    grey = np.round(lfw_subset()[:FACES] * 255).astype(np.uint8)
    pictures = (Image.fromarray(face).convert("RGB") for face in grey)
    return np.stack([square(picture, resolution) for picture in pictures])
