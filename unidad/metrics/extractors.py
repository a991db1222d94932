"""Which extractor a folder describes."""

from __future__ import annotations

from pathlib import Path

from unidad.errors import UserError
from unidad.files import read_json
from unidad.metrics.feature_network import load_feature_network
from unidad.metrics.features import Extractor
from unidad.metrics.trunk import CONFIG

PUBLISHED = "published"
"""Key of a folder's configuration that stands for the networks of the literature."""


def load_extractor(folder: str | Path) -> Extractor:
    """A trained feature network, or published networks.

    Raises:
        UserError: see `load_feature_network`; an unknown key or value of a `PublishedConfig`.
    """
    path = Path(folder) / CONFIG
    if not path.is_file() or PUBLISHED not in (values := read_json(path, "")):
        return load_feature_network(folder)
    # Here, not above: the libraries behind it take longer to import than a row to measure.
    from unidad.metrics.published import PublishedConfig, PublishedExtractor

    try:
        return PublishedExtractor(PublishedConfig(**values[PUBLISHED]))
    except TypeError as error:
        raise UserError(f"{path}: {PUBLISHED}: {error}") from None
