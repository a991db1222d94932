"""How far an experiment is, from its files."""

from pathlib import Path

import pytest

from unidad.adapt.progress import JOB_SECONDS, Bar, Step, steps, time_left
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
    log.write_text("iteration,seconds\n10,1\n50,2\n")
    assert step.done() == 0.25
    log.write_text("iteration,seconds\n10,1\n5")  # while a line is being written
    assert step.done() == 5 / 200
    step.file.write_text("{}")
    assert step.done() == 1


def test_a_training_weighs_what_its_method_takes(parts):
    (training,) = (step for step in parts if step.title == "training Uni-DAD")
    assert training.iterations == 100 * 5
    assert training.seconds == pytest.approx(JOB_SECONDS + 100 * 1.65)


def test_where_no_terminal_is_every_step_is_a_line_with_the_time_that_is_left(tmp_path, capsys):
    first, second = (Step(name, Path(tmp_path / name), 600.0) for name in ("one", "two"))
    with Bar([first, second]) as bar:
        bar.update()
        bar.update()
        first.file.touch()
        bar.begun -= 600
        bar.update()
        second.file.touch()
        bar.update()
    told = capsys.readouterr().err.splitlines()
    assert told == ["  0% one, about 20 min left", " 50% two, about 10 min left", "100% done"]


def test_a_long_step_is_told_of_at_every_tenth(tmp_path, capsys):
    log = tmp_path / "training.csv"
    step = Step("training", tmp_path / "training.json", 6000, log, iterations=100)
    with Bar([step]) as bar:
        for iteration in (5, 10, 16, 40):
            log.write_text(f"iteration,seconds\n{iteration},1\n")
            bar.update()
    shares = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert shares == ["5%", "16%", "40%"]


@pytest.mark.parametrize(
    ("done", "before", "elapsed", "left"),
    [
        (0, 0, 0, "about 10 min left"),  # before anything is seen, the estimate
        (0, 0, 60, "about 20 min left"),  # a minute without progress: half as fast
        (300, 0, 660, "about 10 min left"),  # 720 s for 360
        (300, 300, 0, "about 5 min left"),  # resumed: what was done before took no time
        (590, 0, 590, "less than a minute left"),
        (0, 0, 3600, "about 10 h left"),
        (600, 0, 500, ""),
    ],
)
def test_time_left_is_estimated_and_corrected(done, before, elapsed, left):
    assert time_left(600, done, before, elapsed) == left
