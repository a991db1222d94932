"""YAML as people mean it: each key once, numbers as they stand, every key with its line."""

from __future__ import annotations

import re
from collections.abc import Hashable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from unidad.errors import UserError, one_line

EIGHTS = re.compile(r"[-+]?0[0-7_]+")
SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
MERGING = "tag:yaml.org,2002:merge"
KINDS = {type(None): "nothing", list: "a list", str: "a text", bool: "true or false"}
KINDS |= {int: "a number", float: "a number"}
LARGEST = 4_000_000
"""Bytes of a file that is read as a whole, which is slow: no configuration comes near."""


class Key(str):
    """A key of a mapping that knows where it stands.

    Attributes:
        place: ``config.yaml, line 3``.
    """

    place: str


def read_yaml(path: str | Path, what: str, form: str = "YAML") -> object:
    """What a YAML (or JSON) file holds; keys that are texts are `Key`.

    Args:
        path: of the file.
        what: it is, as in "no such ...".
        form: as in "not valid ...".

    Raises:
        UserError: no such file, it cannot be read, a key stands twice in a mapping, or a number
            that YAML 1.1 reads otherwise than it looks.
    """
    try:
        if (size := Path(path).stat().st_size) > LARGEST:
            kind = what.partition(";")[0]
            raise UserError(f"{path}: {size} bytes, a {kind} has at most {LARGEST}")
        text = Path(path).read_text()
        return _Loader(text, str(path)).get_single_data()
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what}") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder; give the path of a {what}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}, line {mark.line + 1}" if mark else path
        raise UserError(f"{place}: not valid {form}: {one_line(error.problem)}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        sign = f"the character {chr(error.character)!a} is not allowed; leave it out"
        raise UserError(f"{path}, line {line}: not valid {form}: {sign}") from None
    except RecursionError:
        raise UserError(f"{path}: not valid {form}: brackets nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: not valid {form}: {one_line(error)}") from None


def mapping(raw: object, where: str) -> dict:
    """What was read, if it is a mapping of keys.

    Raises:
        UserError: it is something else, or nothing.
    """
    if isinstance(raw, dict):
        return raw
    found = KINDS.get(type(raw), type(raw).__name__)
    raise UserError(f"{where}: expected a mapping of keys, found {found}")


def placed(raw: Any, known: Any) -> Any:
    """The same values, under the `Key` of those mappings and lists that have them at this place."""
    if isinstance(raw, dict) and isinstance(known, dict):
        own = {key: key for key in known}
        return {own.get(key, key): placed(value, known.get(key)) for key, value in raw.items()}
    if isinstance(raw, list) and isinstance(known, list):
        return [placed(*pair) for pair in zip_longest(raw, known[: len(raw)])]
    return raw


def place_of(raw: Any, key: tuple[object, ...], where: str) -> str:
    """File and line of the innermost `Key` on the way to a value; ``where``, if there is none."""
    for part in key:
        if isinstance(raw, dict) and part in raw:
            own = next(known for known in raw if known == part)
            where, raw = getattr(own, "place", where), raw[part]
        elif isinstance(raw, (list, tuple)) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
        else:
            break
    return where


class _Loader(yaml.SafeLoader):
    """Of one text; knows the file's name, and refuses what would pass in silence."""

    def __init__(self, text: str, name: str):
        super().__init__(text)
        self.file = name

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping, whose keys are told once each, and know their lines."""
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == MERGING:
                continue
            key, line = self.construct_object(key_node), key_node.start_mark.line + 1
            if key in lines:
                raise UserError(
                    f"{self._place(key_node)}: {key}: stands a second time, first in line "
                    f"{lines[key]}; keep one"
                )
            lines[key] = line
        found = super().construct_mapping(node, deep)
        return {self._key(key, lines): value for key, value in found.items()}

    def refuse_traps(self, node: yaml.ScalarNode) -> Any:
        """A number; one in eights or sixties is refused, for nobody means it."""
        value = getattr(self, f"construct_yaml_{node.tag.rpartition(':')[2]}")(node)
        for pattern, base in ((EIGHTS, "eights"), (SIXTIES, "sixties")):
            if pattern.fullmatch(node.value):
                raise UserError(
                    f"{self._place(node)}: {node.value}: YAML counts this in {base}, as {value}; "
                    f"write the number that you mean, or '{node.value}' for a text"
                )
        return value

    def joined_halves(self, node: yaml.ScalarNode) -> str:
        """A text; JSON writes a sign beyond 16 bits as two halves."""
        text = self.construct_yaml_str(node).encode("utf-16", "surrogatepass")
        try:
            return text.decode("utf-16")
        except UnicodeDecodeError:
            raise UserError(f"{self._place(node)}: a text with one half of a sign") from None

    def _key(self, key: Hashable, lines: dict[Hashable, int]) -> Hashable:
        if not isinstance(key, str) or key not in lines:
            return key
        known = Key(key)
        known.place = f"{self.file}, line {lines[key]}"
        return known

    def _place(self, node: yaml.Node) -> str:
        return f"{self.file}, line {node.start_mark.line + 1}"


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.refuse_traps)
_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.joined_halves)
