"""What is written appears whole or not at all, and costs nobody anything else."""

import json
import zlib
from pathlib import Path

import pytest

from unidad.errors import UserError
from unidad.files import (
    atomic_file,
    atomic_folder,
    local_path,
    read_json,
    seal,
    sha256,
    write_json,
)


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "deep" / "table.md"
    with atomic_file(str(path)) as partial:
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["table.md"]


def test_a_failed_write_leaves_the_former_file(tmp_path):
    path = tmp_path / "table.md"
    path.write_text("old")

    def fail():
        with atomic_file(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.md"]


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with atomic_folder(tmp_path / "deep" / "model") as partial:
        (partial / "weights").write_text("new")
        assert not (tmp_path / "deep" / "model").exists()
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["model"]
    assert (tmp_path / "deep" / "model" / "weights").read_text() == "new"


def write_weights(path, content="new", error=None):
    with atomic_folder(path) as partial:
        (partial / "weights").write_text(content)
        if error:
            raise error


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    write_weights(tmp_path / "model", "old")
    (tmp_path / "model" / ".DS_Store").write_text("of the system")
    write_weights(tmp_path / "model")
    assert (tmp_path / "model" / "weights").read_text() == "new"
    assert [p.name for p in tmp_path.rglob("*")] == ["model", "weights"]


def test_an_error_leaves_no_scratch_and_the_former_folder(tmp_path):
    write_weights(tmp_path / "model", "old")
    with pytest.raises(RuntimeError, match="half way"):
        write_weights(tmp_path / "model", error=RuntimeError("half way"))
    assert [p.name for p in tmp_path.rglob("*")] == ["model", "weights"]
    assert (tmp_path / "model" / "weights").read_text() == "old"


def test_what_a_killed_process_left_is_not_taken_over(tmp_path):
    for ending in (".partial", ".former"):
        (tmp_path / f"model{ending}").mkdir()
        (tmp_path / f"model{ending}" / "stale").write_text("left")
    write_weights(tmp_path / "model")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["model", "weights"]


def test_a_folder_with_anything_else_in_it_is_not_replaced(tmp_path, monkeypatch):
    """``--out .`` must not cost a user the photographs that lie there."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_text("precious")
    monkeypatch.chdir(tmp_path / "photos")
    for name in (tmp_path / "photos", Path(".")):
        with pytest.raises(UserError, match=r"photos: would be replaced, but holds 'holiday.jpg'"):
            write_weights(name)
    assert [p.name for p in tmp_path.rglob("*")] == ["photos", "holiday.jpg"]
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds '\.git'"):
        write_weights(tmp_path / "clone")


def test_a_file_in_the_folder_s_place_is_kept(tmp_path):
    (tmp_path / "model").write_text("a file")
    with pytest.raises(UserError, match="model: a file has this name"):
        write_weights(tmp_path / "model")
    assert (tmp_path / "model").read_text() == "a file"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "value.json"
    write_json(path, {"a": [1, 2.5]})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path, "") == {"a": [1, 2.5]}
    assert [p.name for p in path.parent.iterdir()] == ["value.json"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "value.json: no such file; make it first"),
        (b'{"a": ', "value.json: not valid JSON"),
        (b"\xff\xfe\x00", "value.json: not valid JSON"),
        (b"[1, 2]", "value.json: expected a mapping of keys, found list"),
    ],
)
def test_json_that_is_none_is_one_clear_line(tmp_path, content, complaint):
    path = tmp_path / "value.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        read_json(path, "make it first")


def test_sha256_of_a_file(tmp_path):
    """The first example of the standard, FIPS 180-4."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_addresses_of_this_machine_and_of_others():
    assert local_path("data/a.zip") == Path("data/a.zip")
    assert local_path("file:///data/my%20images.zip") == Path("/data/my images.zip")
    assert local_path("https://server/a.zip") is None
    for address in ("ftp://server/a.zip", "file://server/a.zip"):
        with pytest.raises(UserError, match="only http, https and file addresses"):
            local_path(address)


def sealed(folder, **values):
    write_json(folder / "config.json", values)
    seal(folder)
    return folder / "config.json"


def test_a_sealed_file_reads_as_before_in_any_order_and_spacing(tmp_path):
    path = sealed(tmp_path, _class_name="Net", widths=[32, 0.5], heads=None)
    values = {"_class_name": "Net", "widths": [32, 0.5], "heads": None}
    assert read_json(path, "") == values
    stored = json.loads(path.read_text())
    assert stored.pop("_crc32") == f"{zlib.crc32(json.dumps(values, sort_keys=True).encode()):08x}"
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items()))))
    assert read_json(path, "") == values
    seal(tmp_path)
    assert read_json(path, "") == values


@pytest.mark.parametrize(("old", "new"), [('"heads"', '"hdads"'), ("32", "36"), ("true", "null")])
def test_a_change_of_a_key_or_a_value_of_a_sealed_file_is_refused(tmp_path, old, new):
    path = sealed(tmp_path, heads=32, attends=True)
    text = path.read_text()
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=r"config\.json: its content has changed since it was wri"):
        read_json(path, "")
    lines = [line for line in path.read_text().splitlines() if "_crc32" not in line]
    path.write_text("\n".join(lines).replace("true,", "true").replace("null,", "null"))
    assert read_json(path, "") != {"heads": 32, "attends": True}


def test_notes_that_libraries_add_when_they_save_again_change_nothing(tmp_path):
    path = sealed(tmp_path, _class_name="Net", heads=32)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_name_or_path": "elsewhere"}))
    assert read_json(path, "")["heads"] == 32


def test_of_other_files_nothing_is_sealed(tmp_path):
    write_json(tmp_path / "training.json", {"a": 1})
    seal(tmp_path)
    assert json.loads((tmp_path / "training.json").read_text()) == {"a": 1}
