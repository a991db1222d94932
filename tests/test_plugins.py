import subprocess
import sys

import pytest

from unidad.errors import UserError
from unidad.plugins import load_plugins

TOY = """
from typing import Literal
from unidad.methods import METHODS
from unidad.methods.finetune import Finetune, FinetuneSettings

class ToySettings(FinetuneSettings):
    \"\"\"A toy.\"\"\"
    method: Literal["toy"]
    spice: int = 3
    \"\"\"Of the toy.\"\"\"

class Toy(Finetune):
    Settings = ToySettings

METHODS["toy"] = Toy
"""
CONFIG = """
experiment: x
targets: {babies: {domain: babies}}
variants: {T: {method: toy, nfe: 3, spice: 4}}
"""


def test_a_method_of_one_s_own_is_a_method(tmp_path, monkeypatch):
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "x.yaml").write_text(CONFIG)
    monkeypatch.setenv("UNIDAD_PLUGINS", str(tmp_path / "toy.py"))
    command = [sys.executable, "-m", "unidad", "plan", "--config", str(tmp_path / "x.yaml")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "babies/shots10/t/seed0: toy, 1000 student updates" in said.stdout


@pytest.mark.parametrize(
    ("text", "line"),
    [(None, "toy.py: no such file"), ("import nothing_of_the_kind", "toy.py: ModuleNotFoundError")],
)
def test_a_file_that_does_not_run_is_one_line(tmp_path, monkeypatch, text, line):
    if text is not None:
        (tmp_path / "toy.py").write_text(text)
    monkeypatch.setenv("UNIDAD_PLUGINS", str(tmp_path / "toy.py"))
    with pytest.raises(UserError, match=line) as error:
        load_plugins()
    assert len(str(error.value).splitlines()) == 1
