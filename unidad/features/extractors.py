"""Which extractor a folder describes."""

from __future__ import annotations

from pathlib import Path

from unidad.config.evaluation import PublishedFeatures
from unidad.config.section import validate
from unidad.features.feature_network import load_feature_network
from unidad.features.features import Extractor
from unidad.features.trunk import CONFIG
from unidad.files import read_json, write_json

PUBLISHED = "published"
"""Key of a folder's configuration that stands for the networks of the literature."""


def save_published(which: PublishedFeatures, folder: str | Path) -> None:
    """Write a ``config.json`` that `load_extractor` reads; the folder holds no weights."""
    write_json(Path(folder) / CONFIG, {PUBLISHED: which.model_dump()})


def load_extractor(folder: str | Path) -> Extractor:
    """A trained feature network, or published networks.

    Raises:
        UserError: see `load_feature_network`; an unknown key or value of `PublishedFeatures`.
    """
    path = Path(folder) / CONFIG
    if not path.is_file() or PUBLISHED not in (values := read_json(path, "")):
        return load_feature_network(folder)
    which = validate(PublishedFeatures, values[PUBLISHED], f"{path}: {PUBLISHED}")
    # Here, not above: the libraries behind it take longer to import than a row to measure.
    from unidad.features.published import PublishedExtractor

    return PublishedExtractor(which)
