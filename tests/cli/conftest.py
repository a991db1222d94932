"""The command line as a test calls it."""

import json
import re
from pathlib import Path

import pytest
import yaml
from specifications import whole

from unidad.cli import main
from unidad.files import write_json

CONFIG = {
    "experiment": "tiny",
    "targets": {"babies": {"domain": "babies", "near": True}},
    "variants": {
        "FT": {"method": "finetune", "nfe": 5, "training": {"student_updates": 7}},
        "FT-DMD2": {"method": "dmd2", "student": "FT", "teacher": "FT", "nfe": 2},
    },
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def told(capfd):
    """Run a verb; its exit status, and the lines it says on stdout and stderr."""

    def run(*arguments) -> tuple[int, list[str], list[str]]:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        said = capfd.readouterr()
        return status, said.out.splitlines(), said.err.splitlines()

    return run


def everything() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path().rglob("*")}


@pytest.fixture
def complains(told):
    """Assert exit status 2, one line with the given words in their order, and no file touched."""

    def check(arguments, *words):
        before = everything()
        status, out, err = told(*arguments)
        assert (status, out, len(err)) == (2, [], 1), err
        assert re.match(
            ".*".join(re.escape(w) for w in (f"unidad {arguments[0]}: ", *words)), err[0]
        )
        assert everything() == before

    return check


@pytest.fixture
def config(tmp_path):
    """Write a configuration with changes; returns its path."""

    def write(**changes) -> Path:
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG | changes))
        return tmp_path / "tiny.yaml"

    return write


@pytest.fixture
def spec(make_spec, tmp_path):
    """A run specification on disk, its values changed by a function."""

    def write(method="finetune", change=lambda values: None) -> Path:
        values = json.loads(whole(make_spec(method, {"student_updates": 2})))
        change(values)
        write_json(tmp_path / "spec.json", values)
        return tmp_path / "spec.json"

    return write
