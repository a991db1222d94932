"""Which square of a photo is kept, and what the contact sheet shows of the rest."""

import numpy as np
import pytest
from PIL import Image

from unidad.data.crop import FRAME, shown, square, square_box
from unidad.data.folder import load_folder, show_cuts

RED, BLUE, BLACK = (255, 0, 0), (0, 0, 255), (0, 0, 0)


def checkered(size, box, period=2):
    """A grey image, a little noisy, with much detail in one box alone."""
    noise = np.random.default_rng(0).integers(98, 158, (size[1], size[0], 1), np.uint8)
    pixels = noise.repeat(3, axis=2)
    left, top, right, bottom = box
    ys, xs = np.mgrid[top:bottom, left:right]
    pixels[top:bottom, left:right] = (255 * ((xs // period + ys // period) % 2))[..., None]
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("size", "box"), [((30, 10), (10, 0, 20, 10)), ((10, 31), (0, 10, 10, 20))]
)
def test_centre_keeps_the_middle_square(size, box):
    assert square_box(Image.new("RGB", size), "centre") == box


def test_smart_goes_to_the_detail_along_the_longer_side():
    wide, high = checkered((120, 40), (84, 4, 116, 36)), checkered((40, 120), (4, 8, 36, 40))
    left, top, right, bottom = square_box(wide, "smart")
    assert (top, bottom, right - left) == (0, 40, 40)
    assert left >= 70
    assert square_box(high, "smart")[1] <= 10


def test_smart_of_a_flat_image_is_the_middle():
    assert square_box(Image.new("RGB", (30, 10), RED), "smart") == (10, 0, 20, 10)


def test_smart_takes_bars_of_one_colour_off():
    image = Image.new("RGB", (40, 40), BLACK)
    image.paste(checkered((40, 20), (0, 0, 40, 20)), (0, 10))
    _, top, _, bottom = square_box(image, "smart")
    assert (top, bottom) == (10, 30)
    assert square_box(image, "centre") == (0, 0, 40, 40)


def test_smart_keeps_a_small_thing_on_a_ground_of_one_colour():
    image = Image.new("RGB", (40, 40), BLACK)
    image.paste(RED, (18, 18, 22, 22))
    assert square_box(image, "smart") == (0, 0, 40, 40)


def test_pad_keeps_all_on_the_mean_colour_of_the_edge():
    image = Image.new("RGB", (8, 4), RED)
    padded = square(image, 8, "pad")
    assert (padded == RED).all()
    image.paste(BLUE, (4, 0, 8, 4))
    padded = square(image, 8, "pad")
    assert padded[0, 0].tolist() == [128, 0, 128]
    assert padded[4, 0].tolist() == list(RED)
    assert padded[4, 7].tolist() == list(BLUE)


def test_what_is_cut_off_is_dark_and_what_is_kept_is_framed():
    picture = shown(Image.new("RGB", (60, 20), (200, 200, 200)), 60, "centre")
    assert picture.shape == (60, 60, 3)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[30, 5].tolist() == [50, 50, 50]
    assert picture[30, 30].tolist() == [200, 200, 200]
    assert picture[30, 20].tolist() == list(FRAME)


def test_a_folder_is_cropped_as_it_is_asked_for(tmp_path):
    checkered((120, 40), (84, 4, 116, 36)).save(tmp_path / "a.png")
    spread = {
        crop: load_folder(tmp_path, 40, crop=crop)[0].images.std() for crop in ("centre", "smart")
    }
    assert spread["smart"] > 2 * spread["centre"]
    assert show_cuts(tmp_path, ["a.png"], 16, "centre").shape == (1, 16, 16, 3)


def test_nothing_is_shown_of_square_photos(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    assert show_cuts(tmp_path, ["a.png"], 16, "centre") is None
