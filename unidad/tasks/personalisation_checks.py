"""What does not go together in personalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unidad.config.images import SUBJECTS
from unidad.config.names import SOURCE_STUDENT
from unidad.config.run import MethodSettings
from unidad.config.text_to_image import mentions

if TYPE_CHECKING:
    from unidad.config.images import Target
    from unidad.experiment.config import Config


def class_word(target: Target) -> str:
    """What a subject is: cat, stuffed animal."""
    return target.class_word or SUBJECTS[target.subject]


def check_token(config: Config, name: str) -> None:
    """The rare token stands for one subject, and for nothing that the class's prompt says."""
    token, prompt = config.personalisation.rare_token, f"a {class_word(config.targets[name])}"
    if mentions(prompt, token):
        raise ValueError(
            f"personalisation.rare_token: '{token}' is in '{prompt}', the class's prompt of "
            f"targets.{name}; choose a word that means nothing, such as prt"
        )


def check_sampling(label: str, variant: MethodSettings) -> None:
    """Students draw in one step, other models as diffusers does; DDPM-PA's pairs are of images."""
    if getattr(variant, "pairwise", None) is not None:
        raise ValueError(f"variants.{label}.pairwise: of few-shot generation alone; leave it out")
    if variant.sampler == "heun":
        raise ValueError(
            f"variants.{label}.sampler: many-step text-to-image models draw with ddim, not heun"
        )
    for key, counts in (("nfe", [variant.nfe]), ("extra_nfe", variant.extra_nfe)):
        more = [nfe for nfe in counts if nfe != 1]
        if more and variant.sampler == "few_step":
            raise ValueError(
                f"variants.{label}.{key}: text-to-image students draw in one step, found {more[0]}"
            )


def check_scene_models(config: Config) -> None:
    """What is trained here is trained on rendered scenes, and fits together."""
    students = any(variant.student == SOURCE_STUDENT for variant in config.variants.values())
    if students and config.source_teacher == "train" and config.source_student == "shipped":
        raise ValueError(
            "source_student: the shipped one has another autoencoder than a source_teacher that is "
            "trained here; give train"
        )
    protocol = config.personalisation.protocol
    if config.feature_network not in ("shipped", "train"):
        raise ValueError(
            "feature_network: personalisation measures with the networks of "
            f"personalisation.protocol; shipped or train, found '{config.feature_network}'"
        )
    if config.feature_network == "train" and protocol != "synthetic":
        raise ValueError(
            f"feature_network: protocol {protocol} measures with published networks; leave out "
            "train"
        )
