import numpy as np
import pytest
import torch

from unidad.errors import UserError
from unidad.metrics.rows import (
    CHUNK,
    Nearest,
    TooFewRowsError,
    as_rows,
    nearest_distances,
    nearest_of,
    neighbour_radii,
    same_width,
    squared_distances,
)


def test_squared_distances_are_those_of_pairs():
    first = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    second = torch.tensor([[0.0, 0.0], [0.0, 4.0], [3.0, 0.0]])
    expected = torch.tensor([[0.0, 16.0, 9.0], [25.0, 9.0, 16.0]])
    assert torch.equal(squared_distances(first, second), expected)


def test_radii_leave_the_row_itself_out():
    rows = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert neighbour_radii(rows, 1).tolist() == [1, 1, 2, 4]
    assert neighbour_radii(rows, 2).tolist() == [3, 2, 3, 6]


def test_chunks_join_seamlessly():
    rows = torch.arange(CHUNK * 2.5).double()[:, None]
    assert neighbour_radii(rows, 1).tolist() == [1.0] * len(rows)
    assert nearest_distances(rows + 0.25, rows).tolist() == [0.25] * len(rows)
    found = nearest_of(rows + 0.25, rows, "samples")
    assert found.training.tolist() == list(range(len(rows)))
    assert found.distances[:-1].tolist() == [[0.25, 0.75]] * (len(rows) - 1)


def test_the_two_nearest_training_images():
    """(0, 1) is 1 from the second and sqrt(17) from the first."""
    training = np.array([[4.0, 0.0], [0.0, 0.0], [9.0, 9.0]])
    found = nearest_of(np.array([[0.0, 1.0], [4.0, 0.0]]), training, "samples")
    assert found.training.tolist() == [1, 0]
    assert found.distances.tolist() == [[1.0, pytest.approx(17**0.5)], [0.0, 4.0]]
    alone = nearest_of(np.array([[0.0, 1.0]]), training[:1], "samples")
    assert alone.distances.shape == (1, 1)
    joined = Nearest.joined([found, found])
    assert joined.training.tolist() == [1, 0, 1, 0]


def test_a_mirror_image_stands_for_its_training_image():
    """(0, 3) is 1 from the mirror image (0, 4) of (4, 0), 3 from (0, 0)."""
    training = np.array([[4.0, 0.0], [0.0, 0.0]])
    rows = np.repeat([[0.0, 3.0]], CHUNK + 1, 0)
    found = nearest_of(rows, training, "samples", training[:, ::-1].copy())
    assert found.training.tolist() == [0] * len(rows)
    assert found.distances.tolist() == [[1.0, 3.0]] * len(rows)
    assert nearest_of(rows, training, "samples").distances[0].tolist() == [3.0, 5.0]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (np.zeros((2, 3, 4)), r"features of samples must be .* \(2, 3, 4\)"),
        (np.zeros((4, 0)), r"found \(4, 0\)"),
        (np.array([[0.0], [1.0], [np.nan], [np.inf]]), "in 2 rows, the first is image 2"),
    ],
)
def test_broken_features_are_refused(rows, complaint):
    with pytest.raises(UserError, match=complaint):
        as_rows(rows, "samples")


def test_too_few_rows_is_an_error_of_its_own():
    with pytest.raises(TooFewRowsError, match=r"samples: 1 images, .* at least 2"):
        as_rows(np.zeros((1, 3)), "samples", 2)


def test_two_extractors_cannot_be_compared():
    with pytest.raises(UserError, match="of 3 and of 4 dims"):
        same_width(torch.zeros(2, 3), torch.zeros(2, 4))
