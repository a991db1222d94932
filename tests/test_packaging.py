"""What is installed has the workflow with it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_an_installed_package_finds_its_workflow(tmp_path):
    """Built from the checkout, and used from elsewhere."""
    built = str(tmp_path / "lib")
    build = ("-q", "egg_info", "-e", str(tmp_path), "build_py", "--build-lib", built)
    run = subprocess.run(
        [sys.executable, "setup.py", *build], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    code = "from unidad.adapt.workflow import home; print(home())"
    words = [sys.executable, "-c", code]
    said = subprocess.check_output(words, cwd=tmp_path, env={"PYTHONPATH": built}, text=True)
    home = Path(said.strip())
    assert home == tmp_path / "lib/unidad/_workflow"
    assert (home / "workflow/rules/train.smk").is_file()
    assert yaml.safe_load((home / "configs/full.yaml").read_text())["extends"] == "../config.yaml"
    assert (home / "profiles/default/config.yaml").is_file()
