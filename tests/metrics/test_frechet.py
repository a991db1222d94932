import numpy as np
import pytest
import torch
from cleanfid.fid import frechet_distance as cleanfid_frechet_distance

from unidad.errors import UserError
from unidad.metrics.frechet import frechet_distance

DRAW = np.random.default_rng(0)


def correlated(count: int, dims: int, shift: float) -> np.ndarray:
    mixing = DRAW.normal(size=(dims, dims)) / dims**0.5
    return (DRAW.normal(size=(count, dims)) @ mixing + shift).astype(np.float32)


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rows.mean(0, dtype=float), np.cov(rows, rowvar=False)


@pytest.mark.filterwarnings("ignore:The `disp` argument")
def test_equals_cleanfid():
    first, second = correlated(400, 48, 0.0), correlated(300, 48, 0.3)
    expected = cleanfid_frechet_distance(*moments(first), *moments(second))
    assert expected > 5
    assert frechet_distance(first, second) == pytest.approx(expected, abs=1e-6)


def rows_with(mean: list[float], covariance: torch.Tensor) -> torch.Tensor:
    """Four rows (4, 2) of exactly this mean and covariance, which is with N - 1."""
    root = torch.linalg.cholesky(covariance)
    square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).double()
    return square * (3 / 4) ** 0.5 @ root.T + torch.tensor(mean)


def test_equals_the_closed_form_for_commuting_covariances():
    """|m1 - m2|^2 + sum of (s1 - s2)^2 over the standard deviations."""
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]]).double()
    covariance1 = turn @ torch.diag(torch.tensor([4.0, 9.0]).double()) @ turn.T
    covariance2 = turn @ torch.diag(torch.tensor([25.0, 1.0]).double()) @ turn.T
    distance = frechet_distance(
        rows_with([1.0, 2.0], covariance1), rows_with([4.0, -2.0], covariance2)
    )
    assert distance == pytest.approx(25 + (2 - 5) ** 2 + (3 - 1) ** 2)


def test_equals_the_closed_form_for_two_by_two():
    """tr (C1 C2)^(1/2) = (tr C1 C2 + 2 det^(1/2))^(1/2): here (8 + 2 * 10^(1/2))^(1/2)."""
    covariance1 = torch.tensor([[2.0, 1.0], [1.0, 3.0]]).double()
    covariance2 = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).double()
    trace = (8 + 2 * (5 * 2) ** 0.5) ** 0.5
    rows, others = (rows_with([0.0, 0.0], c) for c in (covariance1, covariance2))
    assert frechet_distance(rows, others) == pytest.approx(5 + 3 - 2 * trace)


def test_fewer_images_than_dims_on_either_side():
    """Rows as they are on one side, reduced on the other, against the covariances' own roots."""
    first, second = correlated(20, 48, 0.0), correlated(300, 48, 0.3)
    (mean1, covariance1), (mean2, covariance2) = moments(first), moments(second)
    values, vectors = np.linalg.eigh(covariance1)  # 20 images: all but the last 19 values are 0
    root = vectors[:, -19:] * values[-19:] ** 0.5
    trace = (np.linalg.eigvalsh(root.T @ covariance2 @ root) ** 0.5).sum()
    expected = ((mean1 - mean2) ** 2).sum() + np.trace(covariance1 + covariance2) - 2 * trace
    assert expected > 5
    assert frechet_distance(first, second) == pytest.approx(expected, abs=1e-6)
    assert frechet_distance(second, first) == pytest.approx(expected, abs=1e-6)


def test_hand_computed_samples():
    """Means 1 and 5, deviations 2^(1/2) and 8^(1/2)."""
    assert frechet_distance([[0.0], [2.0]], [[3.0], [7.0]]) == pytest.approx(16 + 2)


def test_singular_covariances_are_no_trouble():
    """Five images in 64 dims: C1 C2 has rank 4, and equal sets are at distance 0."""
    rows = correlated(5, 64, 0.0)
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(rows, rows + 0.5) == pytest.approx(64 * 0.25, rel=1e-5)


def test_one_sample_has_no_covariance():
    with pytest.raises(UserError, match="samples: 1 images"):
        frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))
