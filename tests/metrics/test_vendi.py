import math

import numpy as np
import pytest

from unidad.errors import UserError
from unidad.metrics.vendi import vendi_score


def test_orthogonal_rows_count_each_and_equal_ones_as_one():
    assert vendi_score(3 * np.eye(4)) == pytest.approx(4)
    assert vendi_score(np.ones((5, 3))) == pytest.approx(1)
    assert vendi_score([[1.0, 0.0], [2.0, 0.0], [0.0, 5.0], [0.0, 1.0]]) == pytest.approx(2)


def test_two_rows_by_hand():
    """A cosine of 0.6: the eigenvalues of K / 2 are 0.8 and 0.2."""
    expected = math.exp(-0.8 * math.log(0.8) - 0.2 * math.log(0.2))
    assert vendi_score([[1.0, 0.0], [3.0, 4.0]]) == pytest.approx(expected)


def test_the_published_example():
    """The README of the vendi_score package: cosines 0.9, 0 and 0 are worth 2.1573."""
    rows = [[1.0, 0.0, 0.0], [0.9, 0.19**0.5, 0.0], [0.0, 0.0, 1.0]]
    assert vendi_score(rows) == pytest.approx(2.1573, abs=1e-4)


def test_more_rows_than_dims_or_fewer_is_one_formula():
    rows = np.random.default_rng(0).normal(size=(7, 5))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    shares = np.linalg.eigvalsh(unit @ unit.T / 7)
    shares = shares[shares > 1e-12]
    expected = math.exp(-(shares * np.log(shares)).sum())
    assert vendi_score(rows) == pytest.approx(expected)
    assert vendi_score(np.pad(rows, ((0, 0), (0, 9)))) == pytest.approx(expected)


def test_no_row_is_refused():
    with pytest.raises(UserError, match="samples: 0 images"):
        vendi_score(np.zeros((0, 3)))
