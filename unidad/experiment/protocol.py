"""`protocol: paper` and `protocol: released`: every option in which the two differ, by one key.

What a file says itself is laid over them. What neither of them settles is in docs/paper.md.
"""

from __future__ import annotations

from typing import Any

from unidad.config.reading import place_of
from unidad.config.section import merged
from unidad.errors import UserError, meant

KEY = "protocol"
SHARED: dict[str, Any] = {
    "training": {"ema_decay": 0},
    "distillation": {"gan_gradient_ratio": None},
}
"""Neither keeps a moving average, and both weigh the GAN by plain numbers."""
GENERATION: dict[str, dict[str, Any]] = {
    "paper": {
        "training": {"warmup_counts": "updates"},
        "distillation": {
            "heads": "multi",
            "gan_logits": "summed",
            "gan_student_weight": 0.01,
            "gan_discriminator_weight": 0.03,
            "gan_lsgan_on": "logits",
            "gan_single_head": "plain",
        },
        "intra_lpips": {"unit_range": False},
    },
    "released": {
        "training": {"warmup_counts": "iterations", "snapshots": 79},
        "distillation": {
            "heads": "residual",
            "gan_logits": "averaged",
            "gan_student_weight": 0.015,
            "gan_discriminator_weight": 0.05,
            "gan_lsgan_on": "probabilities",
            "gan_single_head": "strided",
        },
        "intra_lpips": {"unit_range": True},
    },
}
PERSONALISATION: dict[str, dict[str, Any]] = {
    "paper": {
        "training": {"warmup_counts": "updates"},
        "distillation": {
            "dmd_normaliser": "prediction_gap",
            "gan_logits": "summed",
            "gan_student_weight": 0.01,
            "gan_discriminator_weight": 0.03,
            "gan_shared_levels": True,
        },
        "personalisation": {
            "posterior": "mean",
            "clip_t_prompt": "class",
            "measured_photos": None,
            "measured_images": None,
        },
    },
    "released": {
        "training": {"warmup_counts": "iterations"},
        "distillation": {
            "dmd_normaliser": "noisy_gap",
            "gan_logits": "averaged",
            "gan_student_weight": 0.001,
            "gan_discriminator_weight": 0.01,
            "gan_shared_levels": True,
        },
        "personalisation": {
            "posterior": "sample",
            "clip_t_prompt": "subject",
            "measured_photos": 4,
            "measured_images": 4,
        },
    },
}
NAMES = tuple(GENERATION)


def under_protocol(base: dict, own: dict, where: str) -> dict:
    """An extended configuration with the options of the protocol that a file names over it.

    Args:
        base: what the file extends.
        own: what it says itself.
        where: what to call it in messages.

    Raises:
        UserError: an unknown protocol.
    """
    name = own.get(KEY)
    if name is None:
        return base
    if name not in NAMES:
        raise UserError(
            f"{place_of(own, (KEY,), where)}: {KEY}: {name!r} is none of {', '.join(NAMES)}"
            f"{meant(name, NAMES)}"
        )
    about = own.get("personalisation", base.get("personalisation"))
    options = (GENERATION if about is None else PERSONALISATION)[name]
    return merged(merged(base, SHARED), options)
