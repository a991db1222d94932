"""YAML is read as people mean it, or refused with its line."""

import json

import pytest
import yaml

from unidad.config.reading import place_of, read_yaml
from unidad.errors import UserError

PLAIN = """\
a: &row {x: 1, y: [1, 2.5, 1.0e-4, 1_000, 0x10, 0, -0.5]}
b: {<<: *row, x: 2}
c: '010'
d: {2: two, on: off}
"""


@pytest.fixture
def read(tmp_path):
    def write(text, form="YAML"):
        (tmp_path / "c.yaml").write_text(text)
        return read_yaml(tmp_path / "c.yaml", "configuration file", form)

    return write


def test_what_is_plain_is_read_as_ever(read):
    assert read(PLAIN) == yaml.safe_load(PLAIN)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3", ", line 3: a: stands a second time, first in line 1; keep one"),
        ("a:\n  b: 1\n  b: 1", ", line 3: b: stands a second time, first in line 2; keep one"),
        ('{"a": 1, "a": 2}', ", line 1: a: stands a second time"),
        ("a: 1\nseeds: [010]", ", line 2: 010: YAML counts this in eights, as 8; write the number"),
        ("a: [1:30]", ", line 1: 1:30: YAML counts this in sixties, as 90; write the number"),
        ("a: 1:30.5", ", line 1: 1:30.5: YAML counts this in sixties, as 90.5; write the number"),
        ("a: " + "[" * 3000, ": not valid YAML: brackets nested too deeply"),
        ("a: " + "9" * 5000, ": not valid YAML: Exceeds the limit"),
        ("a: 1\nb: '\x07'", ", line 2: not valid YAML: the character '\\x07' is not allowed"),
        ("# " + "x" * 4_000_000, ": 4000002 bytes, a configuration file has at most 4000000"),
        ("a: 1\nb: [", ", line 2: not valid YAML: expected the node content"),
        ("? [a]\n: 1", ", line 1: not valid YAML: found unhashable key"),
    ],
)
def test_what_would_pass_in_silence_is_refused(read, tmp_path, text, line):
    with pytest.raises(UserError) as error:
        read(text)
    assert str(error.value).startswith(f"{tmp_path}/c.yaml{line}")
    assert "\n" not in str(error.value)


def test_a_sign_of_two_halves_is_one(read):
    text = '{"a \\ud83d\\ude00": "b \\ud83d\\ude00", "c": "\\u00e9"}'
    assert read(text, "JSON") == json.loads(text)
    with pytest.raises(UserError, match=r"c\.yaml, line 1: a text with one half of a sign"):
        read('{"a": "\\ud83d"}', "JSON")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UserError, match=": a folder; give the path of a configuration file"):
        read_yaml(tmp_path, "configuration file")


def test_keys_know_their_lines(read, tmp_path):
    raw = read("a:\n  - b: 1\n    c: 2\nd:\n  e:\n    f: 1")
    places = {("a", 0, "c"): 3, ("a",): 1, ("d", "e", "f"): 6, ("d", "e", "none"): 5}
    for key, line in places.items():
        assert place_of(raw, key, "c") == f"{tmp_path}/c.yaml, line {line}"
    assert place_of(raw, ("none",), "c") == place_of({"a": 1}, ("a",), "c") == "c"
