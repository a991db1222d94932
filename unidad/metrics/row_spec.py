"""What a row's specification (`Plan.row_spec`) says of the measuring of its images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unidad.config.evaluation import IntraLpips
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.extractors import load_extractor
from unidad.features.features import Features


def evaluation_arguments(spec: dict) -> dict[str, Any]:
    """The arguments of `evaluate` that all images of a row share, its files loaded.

    Raises:
        KeyError: a key is missing.
        UserError: a file is missing or not what it should be.
    """
    extractor = load_extractor(spec["network"])
    reference = spec["reference_features"]
    return {
        "extractor": extractor,
        "training": ImageSet.load(spec["training_images"]),
        "training_features": Features.load(spec["training_features"]),
        "reference_features": Features.load(reference) if reference else None,
        "domain": spec["domain"],
        "rules": IntraLpips(**spec["intra_lpips"]),
    }


@contextmanager
def missing_keys_named() -> Iterator[None]:
    """Turn the KeyError of a specification into the user's error."""
    try:
        yield
    except KeyError as error:
        raise UserError(
            f"row specification: key {error} is missing; `unidad plan` writes it"
        ) from None
