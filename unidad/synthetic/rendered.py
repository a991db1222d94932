"""Data folders whose images are rendered: domains of faces, captioned scenes, subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unidad.data.image_set import ImageSet
from unidad.data.prepared import (
    HELD_OUT,
    REFERENCE,
    TRAIN,
    Part,
    ascending,
    shots_file,
    write_folder,
)
from unidad.errors import UserError
from unidad.synthetic.data_recipes import (
    RANGE,
    CaptionedScenes,
    Domain,
    Faces,
    FaceTarget,
    Subject,
)
from unidad.synthetic.faces import ATTRIBUTES, SourceShares
from unidad.synthetic.faces import render as render_faces
from unidad.synthetic.scenes import (
    RARE_TOKEN,
    Scenes,
    render,
    source_scenes,
    subject_scenes,
    training_photos,
)

STARTS = {REFERENCE: 1 * RANGE, HELD_OUT: 2 * RANGE}
"""First index of the held-out sets."""
Renderer = Callable[[range], ImageSet]


def prepare_faces(out: str | Path, settings: Faces) -> dict[str, Any]:
    """Render the source domain: ``train.npz``, ``reference.npz``, ``held_out.npz``.

    Args:
        out: the folder to fill.
        settings: sizes, seed, resolution and the shares of rare modes.

    Returns:
        The manifest, as written to ``manifest.json``.

    Raises:
        UserError: the resolution is out of range.
    """
    shares = SourceShares(settings.babies, settings.sunglasses)

    def drawn(indices: range) -> ImageSet:
        return render_faces("faces", settings.seed, indices, settings.resolution, shares)

    about = _about(settings, "faces", ATTRIBUTES) | {"shares": asdict(shares)}
    return _write(out, settings, {TRAIN: settings.images}, drawn, about)


def prepare_scenes(out: str | Path, settings: CaptionedScenes) -> dict[str, Any]:
    """Render captioned source scenes; arguments, result and errors as for `prepare_faces`."""

    def drawn(indices: range) -> ImageSet:
        return _captioned(source_scenes(settings.seed, indices), settings.resolution)

    about = _about(settings, "scenes", ())
    return _write(out, settings, {TRAIN: settings.images}, drawn, about)


def prepare_face_target(out: str | Path, settings: FaceTarget) -> dict[str, Any]:
    """Render a target domain: ``shots{k}.npz`` for each k, ``reference.npz``, ``held_out.npz``.

    The k-shot set is indices 0 to k - 1, so the smaller sets are the beginnings of the larger.
    Each also lies as PNG files in ``shots{k}/``, to be looked at.

    Args:
        out: the folder to fill.
        settings: domain, sizes, seed and resolution.

    Returns:
        The manifest, as written to ``manifest.json``.

    Raises:
        UserError: the domain is unknown, or the resolution out of range.
    """
    domain = settings.domain

    def drawn(indices: range) -> ImageSet:
        return render_faces(domain, settings.seed, indices, settings.resolution)

    training = {shots_file(k): k for k in ascending(settings.shots)}
    return _write(out, settings, training, drawn, _about(settings, domain, ATTRIBUTES))


def prepare_subject(out: str | Path, settings: Subject) -> dict[str, Any]:
    """Render ``shots{k}.npz`` for each k, ``reference.npz`` and ``held_out.npz``.

    The k-shot set is the first k of the subject's photos. The other two hold the subject as each
    prompt asks for it, prompt after prompt, and share no picture.

    Args:
        out: the folder to fill.
        settings: subject, prompts with the rare token, sizes, seed and resolution.

    Returns:
        The manifest, as written to ``manifest.json``.

    Raises:
        UserError: an unknown subject, a prompt that cannot be drawn, or more shots than photos.
    """
    subject, each = settings.subject, settings.images_per_prompt
    photos, shots = training_photos(subject), ascending(settings.shots)
    if shots[-1] > len(photos):
        raise UserError(
            f"shots {shots[-1]}: the synthetic subject {subject} has {len(photos)} photos; "
            "lower 'shots'"
        )
    parts = {
        shots_file(k): Part(_captioned(photos[:k], settings.resolution, RARE_TOKEN), {"photos": k})
        for k in shots
    }
    asked = [prompt for prompt in settings.prompts for _ in range(each)]
    for name, start in STARTS.items():
        indices = [*range(start, start + each)] * len(settings.prompts)
        scenes = subject_scenes(subject, asked, settings.seed, indices)
        pictures = _captioned(scenes, settings.resolution, RARE_TOKEN)
        parts[name] = Part(pictures, {"indices": [start, indices[-1] + 1]})
    about = {"kind": "synthetic", "subject": subject}
    about |= {"seed": settings.seed, "resolution": settings.resolution}
    return write_folder(Path(out), parts, about | {"domain": None, "attributes": []})


def _write(
    out: str | Path, settings: Domain, training: dict[str, int], drawn: Renderer, about: dict
) -> dict[str, Any]:
    """Training sets, which begin at index 0, and the held-out ones."""
    held_out = {REFERENCE: settings.reference_images, HELD_OUT: settings.held_out_images}
    parts = {}
    for name, count in (training | held_out).items():
        start = STARTS.get(name, 0)
        indices = range(start, start + count)
        parts[name] = Part(drawn(indices), {"indices": [indices.start, indices.stop]})
    return write_folder(Path(out), parts, about)


def _captioned(scenes: Scenes, resolution: int, token: str = "") -> ImageSet:
    return ImageSet(render(scenes, resolution), captions=tuple(scenes.captions(token)))


def _about(settings: Domain, domain: str, attributes: Sequence[str]) -> dict[str, Any]:
    return {
        "kind": "synthetic",
        "domain": domain,
        "seed": settings.seed,
        "resolution": settings.resolution,
        "attributes": list(attributes),
    }
