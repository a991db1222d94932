"""A folder that Snakemake holds, held, and left by a killed one; real processes."""

import os
import subprocess
import sys
import time

import pytest

from unidad.cli import main
from unidad.errors import UserError
from unidad.locks import LOCKS, at_work, unlock

SNAKEFILE = """
rule all:
    output: "done"
    shell: "touch begun; sleep 60"
"""


def until(happened, seconds=60):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)


@pytest.fixture
def started():
    """Start a Python process in a folder; it is killed at the end."""
    processes = []

    def start(folder, *words):
        output = subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=folder, stdout=output, stderr=output
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_lock_goes_when_its_snakemake_is_dead_not_before(started, tmp_path, capsys):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    assert not unlock(tmp_path)
    snakemake = started(tmp_path, "snakemake", "--cores", "1")
    until((tmp_path / "begun").exists)
    assert main(["unlock", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"unidad unlock: {tmp_path}: at work there: process {snakemake.pid} (snakemake); "
        "wait for it or end it\n"
    )
    snakemake.kill()
    snakemake.wait()
    assert list((tmp_path / LOCKS).iterdir())
    assert main(["unlock", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        f"{tmp_path}: unlocked; the Snakemake that held it was killed\n"
    )
    assert not (tmp_path / LOCKS).exists()
    assert main(["unlock", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_a_training_that_was_left_alone_keeps_the_folder(started, tmp_path):
    (tmp_path / LOCKS).mkdir(parents=True)
    (tmp_path / LOCKS / "0.output.lock").touch()
    os.mkfifo(tmp_path / "spec.json")  # it waits for its specification
    training = started(tmp_path, "unidad", "train", "spec.json", "--out", "run")
    assert at_work(tmp_path) == {training.pid: "unidad train"}
    assert at_work(tmp_path.parent) == {}
    with pytest.raises(UserError, match=rf"process {training.pid} \(unidad train\); wait for it"):
        unlock(tmp_path)
    assert (tmp_path / LOCKS / "0.output.lock").exists()
