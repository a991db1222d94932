"""Trainings that a signal asks to end: real signals, to this process."""

import os
import signal

import pytest
import torch
from safetensors.torch import load_file
from specifications import whole

from unidad.cli import main
from unidad.training.checkpoint import checkpoints
from unidad.training.loop import Trainer
from unidad.training.run import train
from unidad.training.stopping import StopRequest

SETTINGS = {"student_updates": 6, "checkpoint_every": 100, "log_every": 4}
UNET = "unet/diffusion_pytorch_model.safetensors"
IN_THE_THIRD_ROUND = 12
"""An iteration, of rounds of five."""


@pytest.fixture
def asked(make_spec, tmp_path, monkeypatch):
    """Train by the command line; a signal comes in the middle of the third round."""
    spec = make_spec("unidad", SETTINGS)
    (tmp_path / "spec.json").write_text(whole(spec))
    iterate = Trainer._iterate

    def run(*signals):
        def with_signals(trainer, iteration):
            if iteration == IN_THE_THIRD_ROUND:
                for number in signals:
                    os.kill(os.getpid(), number)
            iterate(trainer, iteration)

        monkeypatch.setattr(Trainer, "_iterate", with_signals)
        status = main(["train", f"{tmp_path}/spec.json", "--out", f"{tmp_path}/run", "--quiet"])
        monkeypatch.setattr(Trainer, "_iterate", iterate)
        return status

    return spec, run


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_the_update_under_way_is_finished_and_kept(asked, tmp_path, capsys, name, status):
    _, run = asked
    before = signal.getsignal(getattr(signal, name))
    assert run(getattr(signal, name)) == status
    assert capsys.readouterr().err.splitlines() == [
        f"unidad train: {name}: {tmp_path}/run: stopped after 3 student updates; "
        "run it again to go on"
    ]
    assert [path.stem for path in checkpoints(tmp_path / "run/state")] == ["iteration-00000015"]
    assert signal.getsignal(getattr(signal, name)) is before


def test_it_ends_as_one_that_was_left_alone(asked, tmp_path):
    spec, run = asked
    assert run(signal.SIGTERM) == 143
    assert run() == 0
    train(spec, tmp_path / "alone", progress=False)
    ours, alone = (load_file(tmp_path / name / "model" / UNET) for name in ("run", "alone"))
    assert all(torch.equal(ours[name], alone[name]) for name in alone)


def test_the_first_signal_counts(asked):
    _, run = asked
    assert run(signal.SIGHUP, signal.SIGTERM) == 129


def test_a_second_ctrl_c_ends_at_once(asked, tmp_path, capsys):
    _, run = asked
    assert run(signal.SIGINT, signal.SIGINT) == 130
    assert capsys.readouterr().err == "unidad train: interrupted; run it again to go on\n"
    assert checkpoints(tmp_path / "run/state") == []


def fail(request, before):
    assert signal.getsignal(signal.SIGTERM) == request._note != before
    raise ValueError("an error")


def test_handlers_are_given_back_after_an_error():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="an error"), StopRequest() as request:
        fail(request, before)
    assert signal.getsignal(signal.SIGTERM) is before
