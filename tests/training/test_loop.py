import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from specifications import whole

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.training.build import build_method
from unidad.training.checkpoint import checkpoints
from unidad.training.loop import Trainer
from unidad.training.run import train

UNET = "model/unet/diffusion_pytorch_model.safetensors"


def same(first, second):
    a, b = load_file(first / UNET), load_file(second / UNET)
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("fixture", "method"),
    [
        ("make_spec", "finetune"),
        ("make_spec", "dmd2"),
        ("make_spec", "unidad"),
        ("make_spec", "consistency"),
        ("make_spec", "sfddm"),
        ("make_subject_spec", "unidad"),
    ],
)
def test_a_stopped_run_ends_as_an_uninterrupted_one(request, tmp_path, fixture, method):
    """Six updates at once; six with a stop after the checkpoint at four, between two log lines."""
    spec = request.getfixturevalue(fixture)(method, {"student_updates": 6, "log_every": 3})
    train(spec, tmp_path / "whole", progress=False)

    class Stop(Exception):
        pass

    stopped = Trainer(
        spec, build_method(spec), ImageSet.load(spec.data), tmp_path / "cut", progress=False
    )
    iterate, updates = stopped._iterate, []

    def stop_later(iteration):
        if stopped.updates["student"] == 5:
            raise Stop
        updates.append(iteration)
        iterate(iteration)

    stopped._iterate = stop_later
    from unidad.training.run import _discard_other_state, fingerprint

    _discard_other_state(tmp_path / "cut", fingerprint(spec))
    with pytest.raises(Stop):
        stopped.run()
    assert checkpoints(tmp_path / "cut" / "state")
    summary = train(spec, tmp_path / "cut", progress=False)
    assert summary["updates"]["student"] == 6
    assert same(tmp_path / "whole", tmp_path / "cut")
    rows = [
        (tmp_path / name / "training.csv").read_text().splitlines() for name in ("whole", "cut")
    ]
    without_seconds = [[r.split(",")[:1] + r.split(",")[2:] for r in lines] for lines in rows]
    assert without_seconds[0] == without_seconds[1]


@pytest.mark.slow
def test_kill_9_in_the_middle_and_again(make_spec, tmp_path):
    spec = make_spec("unidad", {"student_updates": 30, "checkpoint_every": 3})
    (tmp_path / "spec.json").write_text(whole(spec))
    train(spec, tmp_path / "whole", progress=False)
    command = [sys.executable, "-m", "unidad", "train", str(tmp_path / "spec.json")]
    command += ["--out", str(tmp_path / "killed"), "--threads", "1", "--quiet"]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while not checkpoints(tmp_path / "killed" / "state") and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "model").exists(), "it ended before it was killed"
    assert checkpoints(tmp_path / "killed" / "state")
    subprocess.run(command, check=True)
    assert same(tmp_path / "whole", tmp_path / "killed")
    assert json.loads((tmp_path / "killed" / "training.json").read_text())["updates"] == {
        "student": 30,
        "fake_score": 150,
        "target_teacher": 30,
    }


def test_state_of_another_specification_is_not_resumed(make_spec, tmp_path):
    first = make_spec("finetune")
    second = make_spec("finetune", {"learning_rate": 1e-3})
    trainer = Trainer(first, build_method(first), ImageSet.load(first.data), tmp_path / "a", False)
    from unidad.training.run import _discard_other_state, fingerprint

    _discard_other_state(tmp_path / "a", fingerprint(first))
    trainer.run()
    train(second, tmp_path / "a", progress=False)
    train(second, tmp_path / "b", progress=False)
    assert same(tmp_path / "a", tmp_path / "b")


def test_a_damaged_mark_of_the_state_is_another_specification_s(make_spec, tmp_path):
    """A flipped highest bit is no UTF-8 either."""
    spec = make_spec("finetune")
    trainer = Trainer(spec, build_method(spec), ImageSet.load(spec.data), tmp_path / "a", False)
    from unidad.training.run import _discard_other_state, fingerprint

    _discard_other_state(tmp_path / "a", fingerprint(spec))
    trainer.run()
    marker = tmp_path / "a" / "state" / "fingerprint.txt"
    damaged = bytearray(marker.read_bytes())
    damaged[2] ^= 0x80
    marker.write_bytes(damaged)
    train(spec, tmp_path / "a", progress=False)
    train(spec, tmp_path / "b", progress=False)
    assert same(tmp_path / "a", tmp_path / "b")


def test_non_finite_loss_names_iteration_and_term_and_keeps_the_checkpoint(make_spec, tmp_path):
    spec = make_spec("unidad")
    method = build_method(spec)
    trainer = Trainer(spec, method, ImageSet.load(spec.data), tmp_path / "run", progress=False)
    iterate = trainer._iterate

    def poison(iteration):
        if iteration == 14:
            with torch.no_grad():
                next(method.teacher.parameters()).fill_(float("nan"))
        iterate(iteration)

    trainer._iterate = poison
    with pytest.raises(UserError, match=r"iteration 14: dmd_source is nan.*iteration-00000010"):
        trainer.run()
    assert [p.name for p in checkpoints(tmp_path / "run" / "state")] == [
        "iteration-00000010.safetensors"
    ]
    assert not (tmp_path / "run" / "model").exists()


def test_ema_follows_by_hand(make_spec, tmp_path):
    """decay = min(0.9, (1 + n) / (10 + n)) after the n-th update."""
    spec = make_spec("finetune", {"ema_decay": 0.9, "student_updates": 3})
    method = build_method(spec)
    trainer = Trainer(spec, method, ImageSet.load(spec.data), tmp_path / "run", progress=False)
    weight = next(method.student.parameters())
    expected = weight.detach().clone()
    update = trainer._update

    def follow(name, iteration):
        nonlocal expected
        update(name, iteration)
        n = trainer.updates["student"]
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * weight.detach()

    trainer._update = follow
    trainer.run()
    assert torch.allclose(next(trainer.result.parameters()), expected, atol=1e-6)
    assert not torch.allclose(expected, weight, atol=1e-6)


def test_warm_up_counts_each_network_s_own_updates(make_spec, tmp_path):
    spec = make_spec("unidad", {"warmup_updates": 4, "learning_rate": 1e-4, "decay_updates": 2})
    trainer = Trainer(
        spec, build_method(spec), ImageSet.load(spec.data), tmp_path / "run", progress=False
    )
    trainer.updates = {"student": 0, "fake_score": 2, "target_teacher": 0}
    assert trainer._rate("student", 7) == pytest.approx(1e-4 / 4)
    assert trainer._rate("fake_score", 7) == pytest.approx(3e-4 / 4)
    trainer.updates["student"] = 3
    assert trainer._rate("student", 7) == pytest.approx(1e-4 * 0.5)


def test_warm_up_may_count_iterations(make_spec, tmp_path):
    settings = {"warmup_updates": 10, "warmup_counts": "iterations", "learning_rate": 1e-4}
    spec = make_spec("unidad", settings)
    trainer = Trainer(
        spec, build_method(spec), ImageSet.load(spec.data), tmp_path / "run", progress=False
    )
    for group in ("student", "fake_score"):
        assert trainer._rate(group, 4) == pytest.approx(0.5e-4)
        assert trainer._rate(group, 20) == pytest.approx(1e-4)


def test_images_of_another_size_are_one_clear_error(make_spec, tmp_path):
    spec = make_spec("finetune").model_copy(update={"resolution": 32})
    with pytest.raises(UserError, match=r"images are 16x16, the run wants 32x32"):
        train(spec, tmp_path / "run", progress=False)


def test_a_tracker_that_is_not_installed_is_named(make_spec, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    spec = make_spec("finetune", {"trackers": ("wandb",)})
    with pytest.raises(UserError, match="wandb is not installed"):
        train(spec, tmp_path / "run", progress=False)


def test_two_processes_do_not_train_the_same_run(make_spec, tmp_path):
    spec = make_spec("finetune")
    from unidad.training.run import _alone

    with (
        _alone(tmp_path / "run"),
        pytest.raises(UserError, match="another process is training this run"),
    ):
        train(spec, tmp_path / "run", progress=False)
    assert train(spec, tmp_path / "run", progress=False)["updates"] == {"student": 4}


def test_a_model_of_another_resolution_is_one_clear_error(make_spec, tmp_path):
    import numpy as np

    spec = make_spec("finetune")
    ImageSet(np.zeros((2, 32, 32, 3), np.uint8)).save(spec.data)
    with pytest.raises(UserError, match=r"a model of 16x16 images, the run wants 32x32"):
        train(spec.model_copy(update={"resolution": 32}), tmp_path / "run", progress=False)


def test_compiled_training_is_plain_training_up_to_rounding(make_spec, tmp_path):
    """The second loss is computed with weights that the first compiled gradient moved."""
    settings = {"student_updates": 2, "ema_decay": 0, "warmup_updates": 1}
    for name, compiled in (("plain", False), ("compiled", True)):
        spec = make_spec("finetune", settings | {"compile": compiled})
        train(spec, tmp_path / name, progress=False)
    logs = [pd.read_csv(tmp_path / name / "training.csv") for name in ("plain", "compiled")]
    for column in ("denoising", "student_gradient_norm"):
        assert logs[1][column].tolist() == pytest.approx(logs[0][column].tolist(), rel=1e-4)
    plain, other = (load_file(tmp_path / name / UNET) for name in ("plain", "compiled"))
    assert plain.keys() == other.keys()


def test_snapshots_are_the_models_on_the_way(make_spec, tmp_path):
    """Of a run of six updates: after two and four; equal to what shorter runs end with."""
    train(make_spec("finetune", {"student_updates": 6, "snapshots": 2}), tmp_path / "long", False)
    kept = sorted(path.name for path in (tmp_path / "long/snapshots").iterdir())
    assert kept == ["000002", "000004"]
    for updates in (2, 4):
        spec = make_spec("finetune", {"student_updates": updates})
        train(spec, tmp_path / str(updates), progress=False)
        snapshot = load_file(
            tmp_path / f"long/snapshots/{updates:06d}" / UNET.removeprefix("model/")
        )
        short = load_file(tmp_path / str(updates) / UNET)
        assert all(torch.equal(short[name], snapshot[name]) for name in short)
    assert list((tmp_path / "2/snapshots").iterdir()) == []


def test_another_specification_drops_old_snapshots(make_spec, tmp_path):
    train(make_spec("finetune", {"student_updates": 6, "snapshots": 2}), tmp_path / "run", False)
    train(make_spec("finetune", {"student_updates": 4, "snapshots": 1}), tmp_path / "run", False)
    assert [path.name for path in (tmp_path / "run/snapshots").iterdir()] == ["000002"]


@pytest.mark.parametrize(
    ("updates", "snapshots", "expected"),
    [(600, 2, [200, 400]), (600, 0, []), (3, 5, [1, 2]), (1, 4, []), (10, 3, [2, 5, 8])],
)
def test_snapshots_cut_a_run_into_equal_parts(make_spec, tmp_path, updates, snapshots, expected):
    spec = make_spec("finetune", {"student_updates": updates, "snapshots": snapshots})
    trainer = Trainer(spec, build_method(spec), ImageSet.load(spec.data), tmp_path, False)
    assert trainer.snapshots == expected


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_the_gradient_ratio_holds_in_any_number_of_parts(make_spec, tmp_path, parts):
    """The gradient that the student steps with is the mean of its parts' own totals."""
    options = {"gan_gradient_ratio": 0.5, "fake_score_updates_per_student_update": 1}
    training = {"batch_size": 4, "gradient_accumulation": parts, "gradient_clip": 1e9}
    spec = make_spec("dmd2", training, distillation=options)
    trainer = Trainer(spec, build_method(spec), ImageSet.load(spec.data), tmp_path, False)
    with torch.no_grad():  # a fake score like its teacher has no DMD gradient
        for parameter in trainer.method.fake_score.parameters():
            parameter.mul_(1.05)
    weights, seen = trainer.parameters["student"], []
    expected = [
        torch.autograd.grad(next(trainer._step(0, part)).total, weights) for part in range(parts)
    ]
    optimiser = trainer.optimisers["student"]
    optimiser.step = lambda: seen.extend(weight.grad.clone() for weight in weights)
    trainer._iterate(0)
    for gradient, of_parts in zip(seen, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(gradient, sum(of_parts) / parts, rtol=1e-3, atol=1e-7)
