import csv
import json
import os
import time

import pytest
import yaml

from unidad.cli import main
from unidad.data.image_set import ImageSet
from unidad.training.build import build_method
from unidad.training.loop import Trainer
from unidad.training.run import train
from unidad.watch import DONE, RUNNING, STOPPED, WAITING, duration, opened, progress

TRAINING = {"student_updates": 6, "batch_size": 4, "log_every": 1, "sample_every": 2}
CONFIG = {
    "experiment": "tiny",
    "targets": {"babies": {"domain": "babies", "near": True}},
    "variants": {
        "FT": {"method": "finetune", "nfe": 5, "training": TRAINING},
        "FT-DMD2": {"method": "dmd2", "student": "FT", "teacher": "FT", "nfe": 2},
    },
    "seeds": [0, 1],
}
FT = "runs/babies/shots10/ft/seed0"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    main(["plan", "--config", "tiny.yaml", "--write"])
    return tmp_path / "results/tiny"


@pytest.fixture
def on_its_way(folder, make_spec):
    """A real training of four of its six updates."""
    spec = make_spec("finetune", TRAINING)
    trainer = Trainer(spec, build_method(spec), ImageSet.load(spec.data), folder / FT, False)
    iterate = trainer._iterate

    def until_four(iteration):
        if iteration == 4:
            raise KeyboardInterrupt
        iterate(iteration)

    trainer._iterate = until_four
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    return spec


def states(folder, now=None):
    return {(one.label, one.seed): one for one in progress(opened(folder), folder, now)}


def test_before_anything_runs_all_wait_and_say_for_what(folder):
    found = states(folder)
    assert {one.state for one in found.values()} == {WAITING}
    assert found["FT", 0].needs == ()
    assert found["FT-DMD2", 1].needs == ("FT",)


def test_a_training_on_its_way_tells_what_its_log_does(on_its_way, folder):
    with open(folder / FT / "state/training.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    one = states(folder)["FT", 0]
    assert (one.state, one.iteration, one.total) == (RUNNING, 4, 6)
    assert one.losses == {"denoising": float(rows[-1]["denoising"])}
    pace = json.loads((folder / FT / "state/pace.json").read_text())
    assert (pace["lines"], pace["iterations"]) == (3, 3)
    assert one.images_per_second == pytest.approx(3 * 4 / pace["seconds"])
    assert one.seconds_left == pytest.approx(2 * pace["seconds"] / 3)
    assert one.grid == folder / FT / "samples/000004.png"
    assert states(folder)["FT-DMD2", 0].needs == ("FT",)


def test_a_training_that_logs_no_more_has_stopped(on_its_way, folder, capsys):
    log = folder / FT / "state/training.csv"
    assert states(folder, time.time() + 60)["FT", 0].state == RUNNING
    assert states(folder, time.time() + 3600)["FT", 0].state == STOPPED
    os.utime(log, (0, 0))
    capsys.readouterr()
    main(["watch", str(folder), "--once"])
    said = capsys.readouterr().out
    assert "1 stopped, 3 waiting" in said
    assert f"{folder}/logs/train/babies/shots10/ft/seed0.log" in said


def test_an_ended_training_is_done_and_others_wait_for_it_no_more(on_its_way, folder, capsys):
    train(on_its_way, folder / FT, progress=False)
    found = states(folder)
    assert found["FT", 0].state == DONE
    assert found["FT-DMD2", 0].needs == ()
    assert found["FT-DMD2", 1].needs == ("FT",)
    capsys.readouterr()
    assert main(["watch", str(folder), "--once"]) == 0
    said = capsys.readouterr().out
    assert "4 trainings: 1 done, 3 waiting" in said
    assert "0 of" in said


@pytest.mark.parametrize("kept", [0, 5, 30, 40, 41, 60, -1])
def test_half_written_files_harm_nothing(on_its_way, folder, kept):
    log = folder / FT / "state/training.csv"
    text = log.read_bytes()
    log.write_bytes(text[:kept])
    complete = max(0, log.read_bytes().count(b"\r\n") - 1)
    (folder / FT / "state/pace.json").write_text('{"lines": 3, "iter')
    one = states(folder)["FT", 0]
    assert (one.state, one.iteration, one.images_per_second) == (RUNNING, complete, None)
    (folder / FT / "training.json").write_text('{"seco')
    assert states(folder)["FT", 0].state == DONE
    assert main(["watch", str(folder), "--once"]) == 0


def test_nothing_is_written(on_its_way, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    main(["watch", str(folder), "--once"])
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_label_is_text_in_the_terminal(folder, capsys):
    config = json.loads((folder / "specs/config.json").read_text())
    renamed = json.dumps(config).replace('"FT"', '"[red]FT[/x]"')
    (folder / "specs/config.json").write_text(renamed)
    capsys.readouterr()
    assert main(["watch", str(folder), "--once"]) == 0
    assert "[red]FT[/x]" in capsys.readouterr().out


def test_a_folder_without_an_experiment_is_one_line(tmp_path, capsys):
    assert main(["watch", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"unidad watch: {tmp_path}: no specs/config.json in it; give results/<experiment>"
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (40.2, "40 s"), (720, "12 min"), (11100, "3 h 05")],
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text
