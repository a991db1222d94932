"""Both sides of every benchmark compute the same numbers; nothing is timed."""

import csv

import numpy as np
import pytest
import torch

from benchmarks import frechet_distance, intra_lpips, sampling, training_iteration
from benchmarks.__main__ import write
from benchmarks.runner import Comparison, Meter, Result, Side, measure

CHANNELS = (32, 32)


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def counts(comparison: Comparison) -> tuple[int, int, int]:
    """Passes of our whole networks, of our encoders, and of the reference."""
    ours, reference = comparison.ours.meter.passes, comparison.reference.meter.passes
    assert reference["features"] == 0
    return ours["forward"], ours["features"], reference["forward"]


@pytest.fixture
def double(monkeypatch):
    """Tensors that would be float32 are float64.

    Adam divides a gradient by its own size: of roundings it makes steps as large as of gradients,
    other ones on every processor.
    """
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield torch.float64
    torch.set_default_dtype(torch.float32)


def test_a_round_of_training(double):
    """The running means of the clipped gradients, of every tensor that is trained.

    At the paper's rate the fake score hardly leaves the teachers, and DMD's difference is rounding.
    Of 2 images: 3 iterations of 2 student steps and a denoising pass, then 1 of DMD's fake score,
    2 of its teachers and 1 of the target teacher's denoising. Encoders: each discriminator's real
    and student images, and once the student's GAN; the reference runs those as whole passes.
    """
    problem = training_iteration.Problem(
        16, CHANNELS, batch_size=2, nfe=2, updates=3, learning_rate=1e-3
    )
    (comparison,) = training_iteration.comparisons(problem)
    trainer, plain = comparison.ours.run(), comparison.reference.run()
    assert counts(comparison) == (2 * (3 * 3 + 4), 2 * (3 * 2 + 1), 2 * (3 * 5 + 5))
    assert trainer.optimisers.keys() == plain.optimisers.keys()
    for group, optimiser in trainer.optimisers.items():
        own, theirs = (
            [state["exp_avg"].flatten() for state in which.state.values()]
            for which in (optimiser, plain.optimisers[group])
        )
        assert len(own) == len(theirs) > 20
        scale = max(gradient.abs().max() for gradient in theirs)
        for gradient, expected in zip(own, theirs, strict=True):
            assert gradient.dtype == double
            torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-9 * scale.item())


def test_samples():
    """A random network's images are mostly black and white; the rest may round to the next level.

    Noise of level 80 leaves errors of a hundredth of a level.
    """
    (comparison,) = sampling.comparisons(sampling.Problem(16, CHANNELS, 14, batch_size=9, nfe=2))
    own, theirs = comparison.ours.run(), comparison.reference.run()
    assert own.shape == theirs.shape == (14, 16, 16, 3)
    difference = np.abs(own.astype(int) - theirs)
    assert difference.max() <= 1
    grey = (own > 0) & (own < 255)
    assert grey.sum() > 50
    assert (difference[grey] > 0).mean() < 0.1
    assert counts(comparison) == (14 * 2 + 1, 0, 14 * 2), "one of ours counts the operations"


@pytest.mark.parametrize("trunk", ["vgg", "alex"])
def test_intra_lpips(trunk):
    problem = intra_lpips.Problem(trunk, 64, samples=6, training=2, members=2, batch_size=4)
    (comparison,) = intra_lpips.comparisons([problem])
    own, theirs = comparison.ours.run(), comparison.reference.run()
    assert theirs > 1e-3
    assert own == pytest.approx(theirs, rel=1e-4)
    predicted = intra_lpips.counted(problem)
    assert counts(comparison) == (8, 0, 2 * (6 * 2 + 2 * 1))
    assert counts(comparison) == (predicted.passes, 0, predicted.reference_passes)


def test_the_paper_s_intra_lpips():
    """5000 samples, 10 training images, 100 members (SPEC section 7)."""
    assert (intra_lpips.counted().passes, intra_lpips.counted().reference_passes) == (5010, 199_000)


def test_frechet_distance():
    (comparison,) = frechet_distance.comparisons(frechet_distance.Problem(300, width=20))
    own, theirs = comparison.ours.run(), comparison.reference.run()
    assert theirs > 10
    assert own == pytest.approx(theirs, rel=1e-6)


class Clock:
    """Seconds that pass only where a test says so."""

    def __init__(self):
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


class Work:
    """Takes its turns' seconds, two fifths of them in a network pass of four images."""

    def __init__(self, clock: Clock, turns: list[float]):
        self.clock, self.turns, self.meter = clock, iter(turns), Meter()
        self.meter.watch(self, "network")

    def network(self, images: range, seconds: float) -> None:
        self.clock.time += seconds

    def __call__(self) -> None:
        seconds = next(self.turns)
        self.network(range(4), seconds=0.4 * seconds)
        self.clock.time += 0.6 * seconds


def test_the_fastest_of_repeats_the_first_of_which_does_not_count(monkeypatch, tmp_path):
    clock = Clock()
    monkeypatch.setattr("benchmarks.runner.now", clock)
    own, theirs = Work(clock, [1, 3, 2, 4]), Work(clock, [1, 9, 12, 8])
    comparison = Comparison("subject", "problem", Side(own, own.meter), Side(theirs, theirs.meter))
    found = measure(comparison, 3)
    assert (found.seconds, found.reference_seconds) == pytest.approx((2, 8))
    assert found.ratio == pytest.approx(4)
    assert (found.smallest_ratio, found.largest_ratio) == pytest.approx((2, 6))
    assert found.network_share == pytest.approx(0.4)
    assert (found.passes, found.encoder_passes, found.reference_passes) == (4, 0, 4)
    write([found, Result("large", "too large", 10, 0, 20)], tmp_path, 3)
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| subject | problem | 2.00 | 8.00 | **4.00** | 2.00 to 6.00 | 40% | 4 | – | 4 |" in page
    assert "| large | too large | too large to run |  |  |  |  | 10 | – | 20 |" in page
    with open(tmp_path / "benchmarks.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert (float(first["ratio"]), second["seconds"]) == (pytest.approx(4), "")


def test_backpropagation_counts_as_time_in_networks(monkeypatch):
    clock, weight = Clock(), torch.ones(1, requires_grad=True)
    monkeypatch.setattr("benchmarks.runner.now", clock)

    def work():
        clock.time += 1
        product = 2 * weight
        product.register_hook(lambda _: setattr(clock, "time", clock.time + 3))
        product.backward()

    side = Side(work)
    assert (side.timed(), side.meter.seconds) == (4, 3)
    side.meter.reset()
    work()
    assert side.meter.seconds == 0
