"""Run specifications as files that hold all of them."""

import json

from unidad.config.run import RunSpec
from unidad.config.section import merged


def whole(spec: RunSpec) -> str:
    """JSON of a specification, with what is logged and drawn on the way."""
    return json.dumps(merged(spec.model_dump(mode="json"), spec.watching()))
