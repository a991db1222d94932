"""The JSON schema of the configuration."""

from __future__ import annotations

import json

from unidad.experiment.config import Config

EXTENDS = "path of another configuration, from this file's folder, for the keys that are not here"
LIKE = "label of another row, of this file or of the extended one, for the keys that are not here"


def schema() -> str:
    """The schema as text; descriptions come from the docstrings."""
    described = Config.model_json_schema()
    properties = described["properties"]
    properties["extends"] = {"description": f"{EXTENDS}.", "type": "string"}
    described["required"] = ["experiment"]
    rows = properties["variants"]
    like = {"like": {"description": f"{LIKE}.", "type": "string"}}
    alike = {"type": "object", "properties": like, "required": ["like"]}
    rows["additionalProperties"] = {"anyOf": [rows["additionalProperties"], alike]}
    return json.dumps(described, indent=2) + "\n"
