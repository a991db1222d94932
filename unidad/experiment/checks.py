"""What does not go together in an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unidad.config.images import RENDERED_UP_TO
from unidad.config.names import ORIGINS, SOURCE, TEACHERS
from unidad.config.run import MethodSettings
from unidad.errors import meant

if TYPE_CHECKING:
    from unidad.experiment.config import Config


def check_rendered(config: Config) -> None:
    """Rendered images have a largest resolution."""
    if config.resolution <= RENDERED_UP_TO:
        return
    rendered = [f"targets.{name}" for name, target in config.targets.items() if target.is_rendered]
    if config.uses_source_images and config.source.is_rendered:
        rendered.append("source")
    if rendered:
        raise ValueError(
            f"resolution: {config.resolution}, but {rendered[0]} is rendered, with at most "
            f"{RENDERED_UP_TO}; lower it, or give {rendered[0]} a 'folder' of images"
        )


def check_shots_files(config: Config) -> None:
    """Where a target names its shots, it names enough of them."""
    wanted = max(config.shots)
    for name, target in config.targets.items():
        if target.shots_files is not None and len(target.shots_files) < wanted:
            raise ValueError(
                f"targets.{name}.shots_files: {len(target.shots_files)} names, but {wanted} shots "
                "are asked for; name more or lower 'shots'"
            )


def check_origins(label: str, variant: MethodSettings, variants: dict[str, MethodSettings]) -> None:
    """What a variant starts from and is taught by exists, in an order that ends."""
    for key, origin in variant.labels().items():
        if origin not in variants:
            own = TEACHERS if key == "target_teacher" else ORIGINS
            allowed = [*own, *(other for other in variants if other != label)]
            raise ValueError(
                f"variants.{label}.{key}: '{origin}' is none of {', '.join(allowed)}"
                f"{meant(origin, allowed)}"
            )
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
