"""An experiment as the lines in which it differs: `extends` another file, rows `like` others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unidad.config.reading import mapping, place_of, read_yaml
from unidad.config.section import merged
from unidad.errors import UserError, meant
from unidad.experiment.protocol import under_protocol

WHOLE = ("targets", "variants", "tables")
"""Lists of what is compared: given, they replace the extended file's; all else is laid over it.
Other variants stand in other tables: with variants of its own a file inherits no tables."""


def extended(raw: dict, where: str, folder: Path, files: tuple[Path, ...] = ()) -> dict:
    """A configuration without `extends` and `like`.

    Args:
        raw: what was given.
        where: what to call it in messages.
        folder: that the path in `extends` starts at: the file's own.
        files: that were extended on the way here.

    Raises:
        UserError: no such file or row, or one that leads back to itself.
    """
    base = _base(raw, where, folder, files) if "extends" in raw else {}
    own = {key: value for key, value in raw.items() if key != "extends"}
    if isinstance(own.get("variants"), dict):
        rows = Rows(own["variants"], base.get("variants") or {}, where)
        own |= {"variants": {label: rows.written_out(label) for label in own["variants"]}}
        base = {key: value for key, value in base.items() if key != "tables"}
    base = under_protocol(base, own, where)
    return merged(base, own) | {key: own[key] for key in WHOLE if key in own}


def _base(raw: dict, where: str, folder: Path, files: tuple[Path, ...]) -> dict:
    name, place = raw["extends"], place_of(raw, ("extends",), where)
    if not isinstance(name, str):
        raise UserError(f"{place}: extends: the path of a configuration file, found {name!r}")
    if "experiment" not in raw:
        raise UserError(f"{where}: experiment: this key is missing; an extended one has its own")
    path = (folder / name).resolve()
    if path in files:
        raise UserError(f"{place}: extends: {name} leads back to itself")
    base = mapping(read_yaml(path, f"configuration file, which {where} extends"), str(path))
    return extended(base, str(path), path.parent, (*files, path))


class Rows:
    """Variants, of which some are like others.

    Args:
        own: label → row, of this file.
        others: likewise, of the file that it extends.
        where: what to call the configuration in messages.
    """

    def __init__(self, own: dict[str, Any], others: dict[str, Any], where: str):
        self.own, self.others, self.where = own, others, where

    def written_out(self, label: str, before: tuple[str, ...] = ()) -> Any:
        """A row with all its keys: those of the row that it is like, and over them its own.

        A row of this file comes before one of the extended file; the same label means the latter.
        """
        row = self.own[label]
        if not isinstance(row, dict) or "like" not in row:
            return row
        name = row["like"]
        if not isinstance(name, str):
            raise UserError(f"{self._at(label)}: the label of another row, found {name!r}")
        if name in before:
            raise UserError(f"{self._at(label)}: '{name}' is like this one")
        if name in self.own and name != label:
            start = self.written_out(name, (*before, label))
        elif name in self.others:
            start = self.others[name]
        else:
            allowed = [other for other in {**self.own, **self.others} if other != label]
            raise UserError(
                f"{self._at(label)}: '{name}' is none of {', '.join(allowed)}{meant(name, allowed)}"
            )
        return merged(start, {key: value for key, value in row.items() if key != "like"})

    def _at(self, label: str) -> str:
        place = place_of(self.own, (label, "like"), self.where)
        return f"{place}: variants.{label}.like"
