"""Which scene an index stands for: its words, its subject's appearance, pose and surroundings."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unidad.data.prompts import fill
from unidad.errors import UserError
from unidad.synthetic.draws import Draws, checked_indices
from unidad.synthetic.scenes.grammar import (
    ACCESSORIES,
    CATEGORIES,
    CONTEXTS,
    EVERYDAY_CONTEXTS,
    LIVE,
    PROPERTIES,
    Description,
    scene_of,
)

APPEARANCE = (
    *("hue", "saturation", "brightness", "fur", "second", "second_hue", "eye_colour"),
    *("stripes", "dots", "patch", "pattern_size", "pattern_place", "width", "height", "detail"),
)
"""What makes an instance of a class this one; objects ignore `fur`, animals ignore `hue`."""

POSE = ("position_x", "position_y", "size", "roll", "mirrored")

SURROUNDINGS = ("side", "place_0", "place_1", "place_2", "tone")
"""What varies from one picture of a context to the next."""

PATTERNS = ("stripes", "dots", "patch")

CONTEXT_SHARE, PROPERTY_SHARE, ACCESSORY_SHARE = 0.85, 0.3, 0.5
"""Shares of source scenes that have one; of accessories, the share of animals."""

TRAINING_PHOTOS = len(EVERYDAY_CONTEXTS)


@dataclass(frozen=True)
class Subject:
    """One fixed instance of a class: `number` chooses its appearance among all possible ones."""

    category: str
    number: int


SUBJECTS = {
    "backpack": Subject("backpack", 3),
    "bear_plushie": Subject("stuffed animal", 7),
    "boot": Subject("boot", 0),
    "clock": Subject("clock", 4),
    "teapot": Subject("teapot", 4),
    "toy": Subject("toy", 0),
    "vase": Subject("vase", 4),
    "cat": Subject("cat", 3),
    "cat2": Subject("cat", 4),
    "dog": Subject("dog", 3),
    "dog2": Subject("dog", 1),
}


@dataclass(frozen=True)
class Scenes:
    """Scenes before they are drawn; every array has one entry a scene.

    Attributes:
        descriptions: class, context, property and accessory of each, in words.
        values: every name in APPEARANCE, POSE and SURROUNDINGS → float32 (N,) in [0, 1].
    """

    descriptions: tuple[Description, ...]
    values: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.descriptions)

    def __getitem__(self, rows: slice | np.ndarray) -> Scenes:
        """The scenes of a slice or of row numbers (M,)."""
        chosen = np.arange(len(self))[rows].tolist()
        descriptions = tuple(self.descriptions[row] for row in chosen)
        return Scenes(descriptions, {name: array[rows] for name, array in self.values.items()})

    def captions(self, token: str = "") -> list[str]:
        """One prompt a scene, with `token` (such as RARE_TOKEN) before the class if given."""
        return [description.caption(token) for description in self.descriptions]

    def words(self, part: str) -> np.ndarray:
        """`category`, `context`, `property` or `accessory` of each scene: strings (N,)."""
        return np.array([getattr(description, part) for description in self.descriptions], str)


def source_scenes(seed: int, indices: Sequence[int] | np.ndarray | range) -> Scenes:
    """Any instance of any class, anywhere: the world that a source model knows.

    Args:
        seed: at least 0; another seed is another, independent series of scenes.
        indices: whole numbers, at least 0; index i is the same scene in any batch.

    Raises:
        UserError: an argument is outside its range.
    """
    draws = _draws("source", seed, indices)
    descriptions = _descriptions(draws, _pick(draws, "category", CATEGORIES))
    return Scenes(descriptions, _appearance(draws) | _situation(draws))


def instance_scenes(seed: int, indices: Sequence[int] | np.ndarray | range, views: int) -> Scenes:
    """Source scenes that show every instance several times, so that it can be learnt to know.

    None of SUBJECTS is among them: their appearances are of another series.

    Args:
        seed: at least 0.
        indices: of the instances, (N,), whole numbers of at least 0; index i is the same instance
            in any batch, and its first views are the same however many there are.
        views: scenes of each instance, at least 1; whatever else a source scene shows is drawn
            anew for each.

    Returns:
        N × views scenes, those of an instance side by side.

    Raises:
        UserError: an argument is outside its range.
    """
    if views < 1:
        raise UserError(f"{views} views of an instance: at least 1 is needed")
    owners = _draws("instances", seed, indices)
    rows = np.asarray(indices, dtype=np.int64)[:, None] + (np.arange(views) << 32)
    situations = _draws("views of instances", seed, rows.ravel())
    category = np.repeat(_pick(owners, "category", CATEGORIES), views)
    appearance = {name: np.repeat(array, views) for name, array in _appearance(owners).items()}
    return Scenes(_descriptions(situations, category), appearance | _situation(situations))


def subject_scenes(
    subject: str,
    prompts: Sequence[str],
    seed: int,
    indices: Sequence[int] | np.ndarray | range,
) -> Scenes:
    """True pictures of a subject, as prompted.

    Args:
        subject: one of SUBJECTS.
        prompts: one a scene; a template ("a red {}") or a prompt about the subject's class ("a
            red prt cat").
        seed: at least 0.
        indices: one whole number of at least 0 a scene; it decides pose and surroundings, in
            every prompt alike.

    Raises:
        UserError: an argument is outside its range, or a prompt cannot be drawn.
    """
    category = _check_subject(subject).category
    draws = _draws(f"subject {subject}", seed, indices)
    descriptions = tuple(scene_of(fill(prompt, category)) for prompt in prompts)
    for prompt, description in zip(prompts, descriptions, strict=True):
        if description.category != category:
            raise UserError(
                f"prompt {prompt!r} is about a {description.category}, "
                f"but the subject {subject} is a {category}"
            )
    values = _situation(draws)
    if len(descriptions) != len(values["size"]):
        raise UserError(
            f"{len(descriptions)} prompts for {len(values['size'])} indices; give one a scene"
        )
    return Scenes(descriptions, _fixed_appearance(subject, len(descriptions)) | values)


def training_photos(subject: str) -> Scenes:
    """The few photos of a subject that a model may see: one in each of EVERYDAY_CONTEXTS.

    Raises:
        UserError: the subject is unknown.
    """
    _check_subject(subject)
    draws = _draws(f"photos of {subject}", 0, range(TRAINING_PHOTOS))
    category = SUBJECTS[subject].category
    descriptions = tuple(Description(category, context) for context in EVERYDAY_CONTEXTS)
    return Scenes(descriptions, _fixed_appearance(subject, TRAINING_PHOTOS) | _situation(draws))


def _draws(series: str, seed: int, indices: Sequence[int] | np.ndarray | range) -> Draws:
    indices = checked_indices(seed, indices, "scenes")
    return Draws((int(seed) << 32) + zlib.crc32(series.encode()), indices)


def _check_subject(subject: str) -> Subject:
    if subject not in SUBJECTS:
        raise UserError(f"subject {subject!r} is unknown; choose one of {', '.join(SUBJECTS)}")
    return SUBJECTS[subject]


def _pick(draws: Draws, name: str, words: Sequence[str], share: float = 1.0) -> np.ndarray:
    """One of `words` with probability `share`, else an empty string: strings (N,)."""
    place = np.floor(draws(name) / share * len(words)).astype(int)
    return np.array([*words, ""])[np.minimum(place, len(words))]


def _descriptions(draws: Draws, category: np.ndarray) -> tuple[Description, ...]:
    """Any context, property and accessory for these categories (N,); only animals dress."""
    accessory = _pick(draws, "accessory", ACCESSORIES, ACCESSORY_SHARE)
    words = (
        category,
        _pick(draws, "context", CONTEXTS, CONTEXT_SHARE),
        _pick(draws, "property", PROPERTIES, PROPERTY_SHARE),
        np.where(np.isin(category, LIVE), accessory, ""),
    )
    rows = zip(*(column.tolist() for column in words), strict=True)
    return tuple(Description(*row) for row in rows)


def _appearance(draws: Draws) -> dict[str, np.ndarray]:
    values = {name: draws(name) for name in APPEARANCE}
    kind = draws("pattern")
    for number, name in enumerate(PATTERNS, 1):
        values[name] = np.where((kind >= number / 4) & (kind < (number + 1) / 4), 1.0, 0.0)
    return {name: array.astype(np.float32) for name, array in values.items()}


def _fixed_appearance(subject: str, count: int) -> dict[str, np.ndarray]:
    chosen = SUBJECTS[subject]
    values = _appearance(_draws(f"instances of {chosen.category}", 0, [chosen.number]))
    return {name: np.repeat(array, count) for name, array in values.items()}


def _situation(draws: Draws) -> dict[str, np.ndarray]:
    values = {name: draws(name) for name in POSE + SURROUNDINGS}
    for name in ("mirrored", "side"):
        values[name] = np.round(values[name])
    return {name: array.astype(np.float32) for name, array in values.items()}
