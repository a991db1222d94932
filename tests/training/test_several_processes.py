"""Two processes over gloo against one that computes the whole batch."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd
import pytest
import torch
from accelerate import PartialState
from safetensors.torch import load_file
from specifications import whole

from unidad.config.run import RunSpec
from unidad.errors import Stopped, UserError
from unidad.methods.specs import run_spec
from unidad.training.checkpoint import checkpoints
from unidad.training.run import train

UNET = "unet/diffusion_pytorch_model.safetensors"
SETTINGS = {"batch_size": 4, "learning_rate": 1e-3, "warmup_updates": 1}
AT_THE_IMAGE = {"dmd_gradient_norm", "gan_gradient_norm"}
"""Logged for a process's own images."""

pytestmark = pytest.mark.slow


def start(spec: RunSpec, *folders: Path) -> list[BaseProcess]:
    """Train in two processes, with the environment that `accelerate launch` gives them.

    They are forked from a server that has imported the package once. A second folder is the second
    process's.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["unidad.training.run"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    common |= {"ACCELERATE_USE_CPU": "true", "WORLD_SIZE": "2"}
    workers, text = [], whole(spec)
    for rank, folder in ((0, folders[0]), (1, folders[-1])):
        environment = common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        workers.append(context.Process(target=work, args=(text, folder, environment)))
    for worker in workers:
        worker.start()
    return workers


def work(spec: str, folder: Path, environment: dict[str, str]) -> None:
    os.environ |= environment
    torch.set_num_threads(1)
    try:
        train(run_spec(json.loads(spec), "spec"), folder, progress=False)
    except UserError as error:
        folder.with_suffix(f".{environment['RANK']}").write_text(str(error))
        PartialState().wait_for_everyone()  # an early end would cut the other's connection
        raise SystemExit(2) from None
    except Stopped as stop:
        raise SystemExit(stop.status) from None


def train_in_two(spec: RunSpec, *folders: Path) -> None:
    for worker in start(spec, *folders):
        worker.join(600)  # a guard against hanging, whatever else the machine does
        assert worker.exitcode == 0


def distance(first: Path, second: Path) -> float:
    a, b = load_file(first / UNET), load_file(second / UNET)
    return sum((a[name] - b[name]).square().sum().item() for name in a) ** 0.5


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("method", ["finetune", "unidad"])
def test_two_processes_train_as_one(make_spec, model_folder, tmp_path, method):
    """Losses, gradient norms and weights of four student updates agree to rounding.

    The second process has a folder of its own, in which it writes nothing.
    """
    spec = make_spec(method, SETTINGS)
    one, two, second = (tmp_path / name for name in ("one", "two", "second"))
    train(spec, one, progress=False)
    train_in_two(spec, two, second)
    logs = [pd.read_csv(folder / "training.csv") for folder in (one, two)]
    compared = [column for column in logs[0] if column not in {"seconds", *AT_THE_IMAGE}]
    assert logs[1][compared].to_numpy() == pytest.approx(logs[0][compared].to_numpy(), rel=1e-4)
    moved = distance(one / "model", model_folder)
    assert moved > 0.1
    assert distance(one / "model", two / "model") < 0.02 * moved
    assert files(one) == files(two)
    assert files(second) == set()


def test_killed_and_started_again_two_processes_end_as_uninterrupted_ones(make_spec, tmp_path):
    """To the bit: draws are keyed by (seed, iteration), and the sum of two is commutative."""
    rounds = {"fake_score_updates_per_student_update": 2}
    settings = SETTINGS | {"student_updates": 10, "log_every": 3}
    spec = make_spec("unidad", settings, distillation=rounds)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train_in_two(spec, whole)
    workers, deadline = start(spec, killed), time.monotonic() + 60
    while not checkpoints(killed / "state") and time.monotonic() < deadline:
        time.sleep(0.01)
    for worker in workers:
        worker.kill()
        worker.join()
    assert checkpoints(killed / "state")
    assert not (killed / "model").exists(), "it ended before it was killed"
    train_in_two(spec, killed)
    assert distance(whole / "model", killed / "model") == 0
    logs = [
        pd.read_csv(folder / "training.csv").drop(columns="seconds") for folder in (whole, killed)
    ]
    pd.testing.assert_frame_equal(*logs)
    assert files(whole) == files(killed)


def test_a_signal_to_one_process_stops_both_after_the_same_update(make_spec, tmp_path):
    spec = make_spec("finetune", SETTINGS | {"student_updates": 2000, "checkpoint_every": 5})
    workers, deadline = start(spec, tmp_path / "run"), time.monotonic() + 60
    while not checkpoints(tmp_path / "run/state") and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(workers[1].pid, signal.SIGTERM)
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [143, 143]
    assert 5 < int(checkpoints(tmp_path / "run/state")[-1].stem.split("-")[1]) < 2000


def test_a_batch_that_two_processes_cannot_share_is_one_clear_line(make_spec, tmp_path):
    workers = start(make_spec("finetune", {"batch_size": 3}), tmp_path / "run")
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [2, 2]
    assert (tmp_path / "run.1").read_text() == (
        "training.batch_size: 3 images cannot be shared by 2 processes of 1 parts; "
        "choose a multiple of 2"
    )
