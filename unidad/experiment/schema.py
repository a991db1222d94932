"""The JSON schema of the configuration."""

from __future__ import annotations

import json

from unidad.experiment.config import Config


def schema() -> str:
    """The schema as text; descriptions come from the docstrings."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"
