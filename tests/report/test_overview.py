"""The figure of a table: its rows' images, targets side by side."""

import numpy as np
from PIL import Image
from report_fakes import fake_images, fake_results, write_inputs

from unidad.config.tables import TableView
from unidad.report.grids import MARGIN, SECTION_GAP, enlarge
from unidad.report.outputs import report_files
from unidad.report.render import write_report
from unidad.tasks.generation import Generation

ROWS = {"CRDI": None, "ours": "Uni-DAD", "the source": "Source teacher"}
NUMBERS = {"FT": 1, "Uni-DAD": 6, "Source teacher": 7}
"""Seeds of `fake_images`, as `write_inputs` numbers them."""
PITCH = 68


def a_view(rows, **settings):
    return TableView(heading="H", rows=rows, metrics=["frechet_distance"], **settings)


def written(folder, view):
    inputs = write_inputs(folder / "in", fake_results(seeds=(0,)))
    write_report(*inputs, folder / "out", Generation, ["FT", "Uni-DAD"], views={"mine": view})
    return np.asarray(Image.open(folder / "out/grids/mine.png"))


def tile(picture, row, column, columns, header):
    """The picture's tile; row 0 holds training images, `header` is its height in pixels."""
    left = picture.shape[1] - MARGIN - columns * PITCH + 4 + column * PITCH
    top = MARGIN + row * PITCH + (SECTION_GAP - 4 + header if row else 0)
    return picture[top : top + 64, left : left + 64]


def test_rows_and_targets_stand_where_they_belong(tmp_path):
    picture = written(tmp_path, a_view(ROWS, images=3))
    columns, header = 3 + 1 + 3, 13
    assert picture.shape[0] == 2 * MARGIN + 3 * PITCH - 4 + SECTION_GAP - 4 + header
    for place in (0, 4):
        for column in range(3):
            expected = enlarge(fake_images(10)[column : column + 1], 2)[0]
            np.testing.assert_array_equal(tile(picture, 0, place + column, columns, 13), expected)
            for row, variant in enumerate(["Uni-DAD", "Source teacher"], start=1):
                drawn = fake_images(12, seed=NUMBERS[variant])[column : column + 1]
                np.testing.assert_array_equal(
                    tile(picture, row, place + column, columns, 13), enlarge(drawn, 2)[0]
                )
    assert (tile(picture, 1, 3, columns, 13) == 255).all()


def test_a_figure_of_some_targets_is_announced_only_where_it_is_asked_for(tmp_path):
    view = a_view(["FT"], images=2, targets=["cats"])
    picture = written(tmp_path, view)
    drawn = fake_images(12, seed=NUMBERS["FT"])[1:2]
    np.testing.assert_array_equal(tile(picture, 1, 1, 2, 13), enlarge(drawn, 2)[0])
    blocks = [("babies", 10), ("cats", 10)]
    announced = report_files(blocks, Generation.plots, {"mine": view})
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*"))
    assert found == sorted(announced)
    assert "grids/mine.png" in announced
    without = report_files(blocks, Generation.plots, {"mine": a_view(["FT"])})
    assert "grids/mine.png" not in without
