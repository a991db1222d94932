import numpy as np
import pytest
from PIL import Image
from report_fakes import fake_images

from unidad.errors import UserError
from unidad.report.grids import (
    GAP,
    MARGIN,
    SECTION_GAP,
    comparison_grid,
    enlarge,
    label_width,
    sample_grid,
)


def test_sample_grid_places_images_row_by_row():
    images = fake_images(5, size=8)
    grid = sample_grid(images, columns=3, gap=2)
    assert grid.dtype == np.uint8
    assert grid.shape == (18, 28, 3)
    np.testing.assert_array_equal(grid[0:8, 10:18], images[1])
    np.testing.assert_array_equal(grid[10:18, 0:8], images[3])
    np.testing.assert_array_equal(grid[10:18, 10:18], images[4])
    assert (grid[10:18, 20:28] == 255).all()
    assert (grid[8:10] == 255).all()
    assert (grid[:, 8:10] == 255).all()


def test_sample_grid_without_gap():
    images = fake_images(4, size=8)
    grid = sample_grid(images, columns=2, gap=0)
    assert grid.shape == (16, 16, 3)
    np.testing.assert_array_equal(grid[8:, 8:], images[3])


def test_enlarge_repeats_pixels():
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    large = enlarge(image, 3)
    assert large.shape == (1, 6, 6, 3)
    assert (large[0, :3, 3:] == image[0, 0, 1]).all()
    assert (large[0, 3:, :3] == image[0, 1, 0]).all()


def test_comparison_grid_has_rows_where_they_belong(tmp_path):
    training, first, second = (fake_images(12, seed=i) for i in range(3))
    rows = [("FT", first), ("Uni-DAD, NFE 3\n(no target teacher)", second)]
    comparison_grid(training[:10], rows, 10, tmp_path / "grid.png")
    picture = np.asarray(Image.open(tmp_path / "grid.png"))
    left = MARGIN + label_width([rows[1][0]]) + MARGIN
    tile = 64
    assert picture.shape == (
        3 * tile + 2 * MARGIN + SECTION_GAP + GAP,
        left + 10 * tile + 9 * GAP + MARGIN,
        3,
    )
    tops = [MARGIN, MARGIN + tile + SECTION_GAP, MARGIN + 2 * tile + SECTION_GAP + GAP]
    for top, images in zip(tops, (training, first, second), strict=True):
        for column in (0, 4, 9):
            x = left + column * (tile + GAP)
            shown = picture[top : top + tile, x : x + tile]
            np.testing.assert_array_equal(shown, enlarge(images[column : column + 1], 2)[0])
    assert list(tmp_path.iterdir()) == [tmp_path / "grid.png"]


def test_labels_stand_beside_their_rows_and_inside_the_picture(tmp_path):
    rows = [("a rather long label, NFE 25", fake_images(4)), ("gjpq\nsecond line", fake_images(4))]
    comparison_grid(fake_images(4), rows, 4, tmp_path / "grid.png")
    picture = np.asarray(Image.open(tmp_path / "grid.png"))
    left = MARGIN + label_width([rows[0][0]]) + MARGIN
    ink = (picture[:, :left] < 128).any(-1)
    assert not ink[:, : MARGIN - 2].any()
    assert not ink[:, left - MARGIN + 2 :].any()
    for top in (MARGIN, MARGIN + 64 + SECTION_GAP, MARGIN + 128 + SECTION_GAP + GAP):
        assert ink[top : top + 64].sum() > 50
        assert not ink[top - GAP : top].any()


def test_training_images_wrap_and_short_rows_leave_white(tmp_path):
    comparison_grid(fake_images(5), [("A", fake_images(2, seed=1))], 4, tmp_path / "grid.png")
    picture = np.asarray(Image.open(tmp_path / "grid.png"))
    assert picture.shape[0] == 3 * 64 + 2 * MARGIN + GAP + SECTION_GAP
    right = picture[:, -MARGIN - 64 : -MARGIN]
    np.testing.assert_array_equal(right[MARGIN : MARGIN + 64], enlarge(fake_images(5)[3:4], 2)[0])
    assert (right[MARGIN + 64 + GAP : MARGIN + 128 + GAP] == 255).all()
    assert (right[-MARGIN - 64 : -MARGIN] == 255).all()


def test_large_images_keep_their_size(tmp_path):
    comparison_grid(fake_images(2, size=128), [], 2, tmp_path / "grid.png")
    assert Image.open(tmp_path / "grid.png").height == 128 + 2 * MARGIN


def test_images_of_another_size_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"'A' has images of \(16, 16\) pixels"):
        comparison_grid(fake_images(2), [("A", fake_images(2, size=16))], 2, tmp_path / "g.png")
    assert list(tmp_path.iterdir()) == []
