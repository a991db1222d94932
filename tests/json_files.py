"""JSON files changed on purpose."""

import json
from pathlib import Path

from unidad.files import SEAL


def change_json(path: Path, **entries) -> None:
    """Change entries as a person would who takes the seal off; None takes an entry out."""
    values = json.loads(path.read_text()) | entries
    values.pop(SEAL, None)
    path.write_text(json.dumps({key: v for key, v in values.items() if v is not None}))
