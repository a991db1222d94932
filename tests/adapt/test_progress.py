"""How far an experiment is, from its files."""

from pathlib import Path

import pytest

from unidad.adapt.progress import JOB_SECONDS, UPDATE_SECONDS, Bar, Step, steps
from unidad.experiment.load import parse_config
from unidad.plan import Plan

CONFIG = {
    "experiment": "x",
    "targets": {"mine": {"folder": "photos"}},
    "variants": {"Uni-DAD": {"method": "unidad", "nfe": 3}},
    "training": {"student_updates": 100, "snapshots": 1},
}


@pytest.fixture
def parts(tmp_path):
    return steps(Plan(parse_config(CONFIG, "c")), tmp_path)


def test_every_job_of_the_workflow_is_a_step(parts, tmp_path):
    root = tmp_path / "results/x"
    files = [str(step.file.relative_to(root)) for step in parts]
    assert len(files) == len(set(files))
    assert {"models/source_teacher", "models/feature_network"} < set(files)
    run = "mine/shots10/uni-dad/seed0"
    for path in (
        f"runs/{run}/training.json",
        f"trajectories/{run}.json",
        f"samples/{run}/nfe3.npz",
    ):
        assert path in files
    assert files[-1] == "tables/all.csv"


def test_a_training_is_as_far_as_its_log(tmp_path):
    log = tmp_path / "training.csv"
    step = Step("training", tmp_path / "training.json", 60, log, iterations=200)
    assert step.done() == 0
    log.write_text("iteration,seconds\n9,1\n49,2\n")
    assert step.done() == 0.25
    log.write_text("iteration,seconds\n9,1\n4")  # while a line is being written
    assert step.done() == 5 / 200
    step.file.write_text("{}")
    assert step.done() == 1


def test_a_training_weighs_what_its_method_takes(parts):
    (training,) = (step for step in parts if step.title == "training Uni-DAD")
    assert training.iterations == 100 * 5
    assert training.seconds == pytest.approx(JOB_SECONDS + 100 * UPDATE_SECONDS["unidad"])


def test_where_no_terminal_is_every_step_is_a_line(tmp_path, capsys):
    first, second = (Step(name, Path(tmp_path / name), 10.0) for name in ("one", "two"))
    with Bar([first, second]) as bar:
        bar.update()
        bar.update()
        first.file.touch()
        bar.update()
        second.file.touch()
        bar.update()
    assert capsys.readouterr().err.splitlines() == ["  0% one", " 50% two", "100% done"]
