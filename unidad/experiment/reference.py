"""docs/configuration.md: every key of a configuration, from the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatch

from unidad.experiment.config import Config
from unidad.experiment.schema import EXTENDS, LIKE
from unidad.methods import METHODS
from unidad.tasks import TASKS

FIRST = (
    "experiment",
    "targets",
    "variants",
    "shots",
    "seeds",
    "resolution",
    "training.student_updates",
    "training.batch_size",
    "training.learning_rate",
    "evaluation.samples",
)
"""What most people touch, in that order."""
ELSEWHERE = ("method", "training", "distillation")
"""Keys of every variant that are described at the top."""
HEAD = """\
# Keys of a configuration

Written by `unidad schema --markdown` from the code; a test keeps it so. `unidad plan --config FILE`
tells every mistake of a file in one line. What only one task uses is marked; the other refuses it.

- `extends`: {extends}.
  `targets`, `variants` and `tables` replace the other file's, all else is laid over it;
  with `variants` of its own a file inherits no `tables`.
- `like`, in a variant: {like}.
"""


def reference() -> str:
    """The page as text."""
    schema = Config.model_json_schema()
    found = dict(keys(schema, schema, ""))
    first = [_line(key, found[key], whole=True) for key in FIRST]
    head = HEAD.format(extends=EXTENDS, like=LIKE)
    parts = [head, _table("The ten that most people touch", first)]
    tops = {key: value for key, value in found.items() if "." not in key}
    parts.append(_table("At the top", [_line(*item) for item in tops.items()]))
    sections = dict.fromkeys(key.rpartition(".")[0] for key in found if "." in key)
    for section in sections:
        lines = [_line(*item) for item in found.items() if item[0].rpartition(".")[0] == section]
        parts.append(_table(f"`{section}`", lines))
    return "\n".join(parts)


def keys(schema: dict, section: dict, prefix: str) -> Iterator[tuple[str, dict]]:
    """Dotted key → its part of the schema; ``<method>`` and ``*`` stand for labels and names."""
    for name, found in section["properties"].items():
        key = f"{prefix}{name}"
        if "$ref" in found:  # whose description may be its section's own
            found = {"description": _resolved(schema, found["$ref"])["description"]} | found
        yield key, found
        if key == "variants":
            places = found["additionalProperties"]["discriminator"]["mapping"]
            for method in METHODS:
                own = _resolved(schema, places[method])["properties"]
                own = {name: value for name, value in own.items() if name not in ELSEWHERE}
                yield from keys(schema, {"properties": own}, f"variants.<{method}>.")
        elif key == "targets":
            place = found["additionalProperties"]["$ref"]
            yield from keys(schema, _resolved(schema, place), "targets.*.")
        elif key == "tables":
            yield from keys(schema, schema["$defs"]["TableView"], "tables.*.")
        elif key == "tables.*.rows":
            yield from keys(schema, schema["$defs"]["TableRow"], f"{key}.*.")
        elif key != "source_training":  # as `training`
            for part in (found, *found.get("anyOf", ())):
                if "$ref" in part:
                    yield from keys(schema, _resolved(schema, part["$ref"]), f"{key}.")


def _resolved(schema: dict, place: str) -> dict:
    return schema["$defs"][place.rpartition("/")[2]]


def _table(title: str, lines: list[str]) -> str:
    return "\n".join([f"## {title}", "", "| key | default | what |", "|---|---|---|", *lines, ""])


def _line(key: str, found: dict, whole: bool = False) -> str:
    """A row of a table."""
    name = key if whole else key.rpartition(".")[2]
    sections = "$ref" in found or isinstance(found.get("default"), dict)
    default = "" if sections or "default" not in found else f"`{json.dumps(found['default'])}`"
    words = " ".join(found.get("description", "").split())
    notes = [words, *filter(None, [_allowed(found)]), *_whose(key)]
    return f"| `{name}` | {default} | {' '.join(notes)} |".replace("<label>", "label")


def _allowed(found: dict) -> str:
    """What a value may be, where the schema says more than its kind."""
    parts = [found, found.get("items", {}), *found.get("anyOf", ())]
    values = [json.dumps(value) for part in parts for value in part.get("enum", ())]
    if values:
        return f"One of {', '.join(values)}."
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {p[name]}" for p in parts for name, sign in limits.items() if name in p]
    return f"({', '.join(dict.fromkeys(bounds))})" if bounds else ""


def _whose(key: str) -> list[str]:
    """A note on a key, or on the section that it is in, that not all tasks use."""
    above = [key.rsplit(".", count)[0] for count in range(key.count(".") + 1)]
    refusing = [
        task
        for task in TASKS.values()
        if any(fnmatch(k, p) for k in above for p in task.unused_keys)
    ]
    users = [task.title for task in TASKS.values() if task not in refusing]
    return [f"*Only {' and '.join(users)}.*"] if refusing else []
