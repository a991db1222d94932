"""The pictures of one synthetic subject: its few photos, and true pictures for every prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unidad.data.image_set import ImageSet
from unidad.data.prepare import (
    HELD_OUT,
    HELD_OUT_START,
    REFERENCE,
    REFERENCE_START,
    Part,
    checked_shots,
    shots_file,
    write_folder,
)
from unidad.errors import UserError
from unidad.synthetic.scenes import RARE_TOKEN, Scenes, render, subject_scenes, training_photos


def prepare_subject(
    out: str | Path,
    subject: str,
    *,
    prompts: Sequence[str],
    images_per_prompt: int = 4,
    shots: Sequence[int] = (5,),
    resolution: int = 32,
    seed: int = 0,
) -> dict[str, Any]:
    """Render ``shots{k}.npz`` for each k, ``reference.npz`` and ``held_out.npz``.

    The k-shot set is the first k of the subject's photos. The other two hold the subject as each
    prompt asks for it, prompt after prompt, and share no picture.

    Args:
        out: the folder to fill.
        subject: one of `unidad.synthetic.scenes.SUBJECTS`.
        prompts: with the rare token.
        images_per_prompt: pictures of each prompt, in either set.
        shots: numbers of training photos.
        resolution: height and width in pixels.
        seed: of poses and surroundings in the two large sets.

    Returns:
        The manifest, as written to ``manifest.json``.

    Raises:
        UserError: an unknown subject, a prompt that cannot be drawn, or more shots than photos.
    """
    photos = training_photos(subject)
    shots = checked_shots(shots)
    if shots[-1] > len(photos):
        raise UserError(
            f"shots {shots[-1]}: the synthetic subject {subject} has {len(photos)} photos; "
            "lower 'shots'"
        )
    parts = {shots_file(k): Part(_drawn(photos[:k], resolution), {"photos": k}) for k in shots}
    for name, start in ((REFERENCE, REFERENCE_START), (HELD_OUT, HELD_OUT_START)):
        asked = [prompt for prompt in prompts for _ in range(images_per_prompt)]
        indices = [*range(start, start + images_per_prompt)] * len(prompts)
        scenes = subject_scenes(subject, asked, seed, indices)
        parts[name] = Part(_drawn(scenes, resolution), {"indices": [start, indices[-1] + 1]})
    about = {"kind": "synthetic", "subject": subject, "seed": seed, "resolution": resolution}
    return write_folder(Path(out), parts, about | {"domain": None, "attributes": []})


def _drawn(scenes: Scenes, resolution: int) -> ImageSet:
    captions = tuple(scenes.captions(RARE_TOKEN))
    return ImageSet(render(scenes, resolution), captions=captions)
