"""What does not go together in an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unidad.config.images import RENDERED_UP_TO
from unidad.config.run import ORIGINS, SOURCE, SOURCE_STUDENT, MethodSettings

if TYPE_CHECKING:
    from unidad.experiment.config import Config


def check_task(config: Config) -> None:
    """Domains belong to few-shot generation, subjects and a student of the source to the other."""
    subjects = config.personalisation is not None
    for name, target in config.targets.items():
        named = target.subject is not None or target.class_word is not None
        if named and not subjects:
            raise ValueError(f"targets.{name}: a subject needs the section 'personalisation'")
        if subjects and not named:
            raise ValueError(
                f"targets.{name}: personalisation needs 'subject', or 'folder' with 'class_word'"
            )
    for label, variant in config.variants.items():
        if subjects and variant.domain == SOURCE:
            raise ValueError(
                f"variants.{label}.domain: personalisation starts from source_teacher or "
                f"{SOURCE_STUDENT}; nothing is trained on the source here"
            )
        if not subjects and variant.needs_prompts:
            raise ValueError(
                f"variants.{label}: method {variant.method} needs the section 'personalisation'"
            )
        if not subjects and variant.student == SOURCE_STUDENT:
            raise ValueError(
                f"variants.{label}.student: {SOURCE_STUDENT} needs the section 'personalisation'"
            )


def check_scene_models(config: Config) -> None:
    """What is trained here is trained on rendered scenes, and fits together."""
    if config.uses_source_images and config.source.folder is not None:
        raise ValueError(
            "source.folder: personalisation trains its source models on rendered, captioned scenes"
        )
    students = any(variant.student == SOURCE_STUDENT for variant in config.variants.values())
    if students and config.source_teacher == "train" and config.source_student == "shipped":
        raise ValueError(
            "source_student: the shipped one has another autoencoder than a source_teacher that is "
            "trained here; give train"
        )
    protocol = config.personalisation.protocol
    if config.feature_network == "train" and protocol != "synthetic":
        raise ValueError(
            f"feature_network: protocol {protocol} measures with published networks; leave out "
            "train"
        )


def check_rendered(config: Config) -> None:
    """Rendered images have a largest resolution."""
    if config.resolution <= RENDERED_UP_TO:
        return
    rendered = [f"targets.{name}" for name, target in config.targets.items() if not target.folder]
    if config.uses_source_images and config.source.folder is None:
        rendered.append("source")
    if rendered:
        raise ValueError(
            f"resolution: {config.resolution}, but {rendered[0]} is rendered, with at most "
            f"{RENDERED_UP_TO}; lower it, or give {rendered[0]} a 'folder' of images"
        )


def check_origins(label: str, variant: MethodSettings, variants: dict[str, MethodSettings]) -> None:
    """What a variant starts from and is taught by exists, in an order that ends."""
    for key, origin in variant.labels().items():
        if origin not in variants:
            allowed = ", ".join([*ORIGINS, *variants])
            raise ValueError(f"variants.{label}.{key}: '{origin}' is none of {allowed}")
        if variant.domain == SOURCE and variants[origin].domain != SOURCE:
            raise ValueError(f"variants.{label}.{key}: '{origin}' is not trained on the source")
    seen, waiting = set(), [label]
    while waiting:
        for origin in variants[waiting.pop()].labels().values():
            if origin == label:
                raise ValueError(f"variants.{label}: starts from itself, through {origin}")
            if origin in variants and origin not in seen:
                seen.add(origin)
                waiting.append(origin)
