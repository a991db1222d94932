"""Which face an index stands for: its draws and the attributes of each domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unidad.synthetic.draws import Draws

DOMAINS = ("faces", "babies", "sunglasses", "portraits", "cats")

ATTRIBUTES = (
    *("babyness", "glasses", "lens_size", "lens_roundness", "lens_colour"),
    *("paint", "fur_stripes", "fur_patches"),
    *("position_x", "position_y", "size", "roll", "yaw", "light"),
    *("skin_tone", "skin_warmth", "face_width", "face_height", "jaw", "ear_size"),
    *("hair_tone", "hair_density", "hair_length", "hair_volume", "hair_fringe", "hair_parting"),
    *("eye_colour", "eye_size", "eye_openness", "gaze", "brow_thickness", "brow_tilt"),
    *("nose_size", "mouth_width", "mouth_curve", "mouth_opening", "lip_redness", "beard"),
    *("background_lightness", "background_warmth", "background_tint"),
    *("gradient_strength", "gradient_x", "gradient_y"),
    *("clothes_lightness", "clothes_warmth", "clothes_tint"),
)
"""Names of the attributes, each scaled to [0, 1]; where a thing is absent, its numbers are 0."""

BABY_LIKE = 0.7
"""Babyness from which on a face counts as a baby; `babies` lie between it and 1."""
ADULT = 0.15
"""Babyness up to which a face counts as an adult."""
SUNGLASSES = 0.5
"""`glasses` is 0 without glasses; with them it is their darkness, between this and 1."""

_CENTRED = ("position_x", "position_y", "size", "roll", "yaw", "gaze", "face_width", "face_height")
_LENSES = ("lens_size", "lens_roundness", "lens_colour")
_HUMAN_ONLY = (
    *("babyness", "glasses", *_LENSES, "beard", "lip_redness", "brow_thickness", "brow_tilt"),
    *("hair_tone", "hair_density", "hair_length", "hair_volume", "hair_fringe", "hair_parting"),
    *("jaw", "mouth_width", "mouth_curve"),
    *("clothes_lightness", "clothes_warmth", "clothes_tint"),
)

Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class SourceShares:
    """Rare modes of the source domain, as FFHQ has babies and people in sunglasses.

    Attributes:
        babies: share of source faces with babyness in [BABY_LIKE, 1], in [0, 0.5]; as large a
            share again lies on the way from adult to baby, so that every step exists.
        sunglasses: share of source faces with dark glasses, in [0, 1], independent of babyness.
    """

    babies: float = 0.05
    sunglasses: float = 0.05


def face_draws(domain: str, seed: int, indices: np.ndarray) -> Draws:
    """Draws of the faces with these indices; every domain and seed is a series of its own."""
    return Draws(seed * len(DOMAINS) + DOMAINS.index(domain), indices)


def sample_attributes(domain: str, draws: Draws, shares: SourceShares) -> Values:
    """Every name in ATTRIBUTES, float32 (N,) in [0, 1]; 0 where a domain has no such thing."""
    values = {name: draws(name) for name in ATTRIBUTES}
    for name in _CENTRED:
        values[name] = (values[name] + draws(name + ", again")) / 2
    for name in ("paint", "fur_stripes", "fur_patches"):
        values[name] = np.zeros_like(values[name])
    if domain == "cats":
        _make_cats(values, draws)
    else:
        _choose_age(values, domain, draws, shares)
        _make_humans(values, draws)
        _choose_glasses(values, domain, draws, shares)
    if domain == "portraits":
        _make_portraits(values, draws)
    return {name: values[name].astype(np.float32) for name in ATTRIBUTES}


def _choose_age(values: Values, domain: str, draws: Draws, shares: SourceShares) -> None:
    chance = draws("age group")
    baby, growing = {
        "faces": (chance < shares.babies, chance < 2 * shares.babies),
        "babies": (chance >= 0, chance >= 0),
    }.get(domain, (chance < 0, chance < 0))
    age = values["babyness"]
    adult = ADULT * age
    between = ADULT + (BABY_LIKE - ADULT) * age
    values["babyness"] = np.where(
        baby, BABY_LIKE + (1 - BABY_LIKE) * age, np.where(growing, between, adult)
    )


def _make_humans(values: Values, draws: Draws) -> None:
    """Hair follows skin and age as it does in people; beards and make-up are for adults."""
    grown = 1 - np.clip(values["babyness"] / BABY_LIKE, 0, 1)
    values["hair_tone"] *= 1 - 0.9 * values["skin_tone"]
    bald = draws("bald") < 0.08
    dense = np.where(bald, 0.0, 0.85 + 0.15 * values["hair_density"])
    sparse = 0.1 + 0.6 * values["hair_density"]
    values["hair_density"] = sparse + (dense - sparse) * grown
    for name, baby_share in (("hair_length", 0.0), ("hair_volume", 0.15), ("hair_fringe", 0.4)):
        values[name] *= baby_share + (1 - baby_share) * grown
    values["hair_length"] = np.where(bald, 0, values["hair_length"])
    bearded = (draws("bearded") < 0.5) & (values["hair_length"] < 0.25)
    values["beard"] = np.where(bearded, (0.3 + 0.7 * values["beard"]) * grown, 0)
    values["lip_redness"] *= 0.2 + 0.8 * grown * (1 - 0.7 * bearded)
    values["brow_thickness"] *= 0.3 + 0.7 * grown
    values["mouth_opening"] = np.clip(values["mouth_opening"] * 2 - 1, 0, 1)
    values["mouth_curve"] = np.sqrt(values["mouth_curve"])
    values["clothes_lightness"] += 0.6 * (1 - grown) * (1 - values["clothes_lightness"])


def _choose_glasses(values: Values, domain: str, draws: Draws, shares: SourceShares) -> None:
    share = {"faces": shares.sunglasses, "sunglasses": 1.0}.get(domain, 0.0)
    worn = draws("sunglasses worn") < share
    values["glasses"] = SUNGLASSES + (1 - SUNGLASSES) * values["glasses"]
    for name in ("glasses", *_LENSES):
        values[name] = np.where(worn, values[name], 0)


def _make_portraits(values: Values, draws: Draws) -> None:
    """Old masters: dark grounds, dark clothes, closed mouths that hardly smile."""
    values["paint"] = draws("paint", 0.5, 1.0)
    values["mouth_opening"] = np.zeros_like(values["paint"])
    values["mouth_curve"] *= 0.6
    values["skin_tone"] *= 0.7
    values["background_lightness"] *= 0.6
    values["background_warmth"] = 0.5 + 0.5 * values["background_warmth"]
    values["clothes_lightness"] *= 0.5


def _make_cats(values: Values, draws: Draws) -> None:
    """Coats: plain, tabby, patched, or both; `skin_tone` and `skin_warmth` are the fur's."""
    for name in _HUMAN_ONLY:
        values[name] = np.zeros_like(values[name])
    coat = draws("coat")
    values["fur_stripes"] = np.where((coat > 0.2) & (coat < 0.7), draws("stripes", 0.4, 1.0), 0)
    values["fur_patches"] = np.where(coat > 0.55, draws("patches", 0.4, 1.0), 0)
    values["mouth_opening"] = np.clip(values["mouth_opening"] * 2 - 1, 0, 1)
