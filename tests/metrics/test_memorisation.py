import numpy as np
import pytest
import torch

from unidad.errors import UserError
from unidad.metrics import memorisation as metric
from unidad.metrics.rows import nearest_of

TRAINING = np.array([[0.0, 0.0], [10.0, 0.0]])
HELD_OUT = np.array([[3.0, 4.0], [10.0, 2.0], [50.0, 50.0]])


def memorisation(samples, training, held_out) -> float:
    found = nearest_of(samples, training, "samples").distances[:, 0]
    known = nearest_of(held_out, training, "held-out images").distances[:, 0]
    return metric.memorisation(found, known)


def test_counts_samples_nearer_than_any_held_out_image():
    """The nearest held-out image is 2 from a training image: 1.9 is memorised, 2.1 is not."""
    samples = np.array([[0.0, 1.9], [0.0, 2.1], [10.0, 0.5], [5.0, 0.0]])
    assert memorisation(samples, TRAINING, HELD_OUT) == pytest.approx(2 / 4)


def test_training_images_are_memorised_and_held_out_ones_are_not():
    assert memorisation(TRAINING, TRAINING, HELD_OUT) == 1
    assert memorisation(HELD_OUT, TRAINING, HELD_OUT) == 0


def test_new_images_are_memorised_as_rarely_as_chance_has_it():
    draw = np.random.default_rng(0)
    new, training, held_out = (draw.normal(size=(n, 5)) for n in (3000, 10, 500))
    assert memorisation(new, training, held_out) < 10 / 500


def test_a_freak_among_many_held_out_images_does_not_set_the_threshold():
    """The 0.1 % quantile of 0, 1, ..., 4999 lies at rank 4.999: the threshold is 4."""
    held_out = torch.arange(5000.0)
    assert metric.memorisation(torch.tensor([0.5, 3.9, 4.0, 5.0]), held_out) == 0.5


def test_near_copies_are_three_times_nearer_to_one_image_than_to_the_next():
    distances = torch.tensor([[0.0, 1.0], [0.99, 3.0], [1.01, 3.0], [2.0, 2.0]])
    assert metric.near_copies(distances) == 0.5
    assert metric.near_copies(distances[:, :1]) is None


def test_no_training_image_is_refused():
    with pytest.raises(UserError, match="training images: 0 images"):
        memorisation(HELD_OUT, np.zeros((0, 2)), HELD_OUT)
