"""Nasty images of a user's own folder: read right, or refused by name."""

import io
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unidad.data import folder as folder_module
from unidad.data.folder import decode, image_paths, load_folder
from unidad.errors import UserError

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data"
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def flat(colour, size=(8, 8), mode="RGB"):
    return Image.new(mode, size, colour)


def left_right(left, right, size=(8, 8)):
    image = flat(right, size)
    image.paste(left, (0, 0, size[0] // 2, size[1]))
    return image


def only_colour(image):
    """The one RGB colour of an image; fails where it has several."""
    (colour,) = np.unique(np.asarray(image).reshape(-1, 3), axis=0)
    return tuple(int(level) for level in colour)


def refusal(folder, resolution=4):
    with pytest.raises(UserError) as caught:
        load_folder(folder, resolution)
    return str(caught.value).splitlines()


# ---------------------------------------------------------------- pixel formats


def test_exif_orientation_turns_the_image_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying; to be shown turned 90 degrees clockwise
    left_right(RED, BLUE).save(tmp_path / "a.png", exif=exif)
    pixels = np.asarray(decode(tmp_path / "a.png"))
    assert (pixels[:4] == RED).all()
    assert (pixels[4:] == BLUE).all()


def test_orientation_of_an_oblong_jpeg_swaps_its_sides(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    flat(GREEN, (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    assert decode(tmp_path / "a.jpg").size == (10, 20)


def test_rgba_is_laid_over_white(tmp_path):
    flat((255, 0, 0, 51), mode="RGBA").save(tmp_path / "a.png")
    assert only_colour(decode(tmp_path / "a.png")) == (255, 204, 204)  # 0.2 red + 0.8 white


def test_invisible_colour_does_not_bleed_into_the_resized_image(tmp_path):
    image = flat((0, 0, 0, 0), mode="RGBA")
    image.putpixel((3, 3), (255, 255, 255, 255))
    image.save(tmp_path / "a.png")
    images, _ = load_folder(tmp_path, 4)
    assert (images.images == 255).all()


def test_grey_with_alpha_is_laid_over_white(tmp_path):
    flat((0, 102), mode="LA").save(tmp_path / "a.png")
    assert only_colour(decode(tmp_path / "a.png")) == (153, 153, 153)  # 255 * (1 - 0.4)


def test_grey_becomes_three_equal_channels(tmp_path):
    flat(77, mode="L").save(tmp_path / "a.png")
    assert only_colour(decode(tmp_path / "a.png")) == (77, 77, 77)


@pytest.mark.parametrize(
    ("level", "expected"), [(65535, 255), (32896, 128), (257, 1), (300, 1), (400, 2), (0, 0)]
)
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, name, level, expected):
    Image.fromarray(np.full((8, 8), level, np.uint16)).save(tmp_path / name)
    assert only_colour(decode(tmp_path / name)) == (expected,) * 3


def test_16_bit_colour_png_is_scaled_not_clipped(tmp_path):
    (tmp_path / "a.png").write_bytes(png_16_bit_rgb((65535, 32896, 257)))
    assert only_colour(decode(tmp_path / "a.png")) == (255, 128, 1)


def png_16_bit_rgb(colour):
    """A 2×2 PNG of bit depth 16 and colour type 2, written by hand: Pillow cannot."""

    def chunk(kind, data):
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    row = b"\0" + struct.pack(">3H", *colour) * 2
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 2)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_float_pixels_are_refused(tmp_path):
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "a.tif")
    (line,) = refusal(tmp_path)
    assert "a.tif: 32-bit pixels of unknown range" in line


def test_palette_keeps_its_colours_and_its_hole_turns_white(tmp_path):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    image.paste(0, (0, 0, 4, 8))
    image.save(tmp_path / "opaque.png")
    image.save(tmp_path / "hole.png", transparency=0)
    opaque, hole = (np.asarray(decode(tmp_path / f"{name}.png")) for name in ("opaque", "hole"))
    assert (opaque[:, :4] == 0).all()
    assert (hole[:, :4] == 255).all()
    for pixels in (opaque, hole):
        assert (pixels[:, 4:] == (10, 200, 30)).all()


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_cmyk(tmp_path, name):
    flat((0, 255, 255, 0), (16, 16), mode="CMYK").save(tmp_path / name)  # magenta + yellow = red
    distance = np.abs(np.asarray(decode(tmp_path / name)).astype(int) - RED)
    assert distance.max() <= 3


def test_first_frame_of_an_animation(tmp_path):
    flat(RED).save(tmp_path / "a.gif", save_all=True, append_images=[flat(BLUE)])
    assert only_colour(decode(tmp_path / "a.gif")) == RED


# ---------------------------------------------------------------- geometry and order


def test_centre_crop_keeps_the_middle(tmp_path):
    image = flat(RED, (24, 8))
    image.paste(GREEN, (8, 0, 16, 8))
    image.save(tmp_path / "wide.png")
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "tall.png")
    images, _ = load_folder(tmp_path, 4)
    assert images.images.shape == (2, 4, 4, 3)
    assert images.images.dtype == np.uint8
    assert (images.images == GREEN).all()


def test_fine_detail_is_averaged_when_it_shrinks(tmp_path):
    checkers = np.indices((64, 64)).sum(0) % 2 * 255
    Image.fromarray(checkers.astype(np.uint8)).save(tmp_path / "a.png")
    images, _ = load_folder(tmp_path, 8)
    assert np.abs(images.images.astype(float) - 127.5).max() < 4  # nearest neighbour gives 0 or 255


def test_names_are_in_natural_order_and_side_files_are_passed_over(tmp_path):
    for level, name in enumerate(["10.png", "2.PNG", "b1.jpg", "A3.png"]):
        flat((level * 20,) * 3).save(tmp_path / name)
    for name in [".DS_Store", "._2.png", "notes.txt", "labels.json", "Thumbs.db"]:
        (tmp_path / name).write_text("no image")
    (tmp_path / "folder.png").mkdir()
    images, names = load_folder(tmp_path, 8)
    assert names == ["2.PNG", "10.png", "A3.png", "b1.jpg"]
    assert images.images[:, 0, 0, 0].tolist() == [20, 0, 60, 40]


def test_small_image_is_enlarged_with_a_warning(tmp_path, caplog):
    flat(RED, (3, 5)).save(tmp_path / "small.png")
    flat(BLUE, (8, 8)).save(tmp_path / "fits.png")
    with caplog.at_level(logging.WARNING):
        images, _ = load_folder(tmp_path, 8)
    assert images.images.shape == (2, 8, 8, 3)
    (record,) = caplog.records
    assert "small.png: only 3×5 pixels, enlarged to 8×8" in record.getMessage()


# ---------------------------------------------------------------- refusals


def test_missing_empty_and_no_folder(tmp_path):
    (tmp_path / "file.png").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".DS_Store").write_text("")
    assert "missing: no such folder" in refusal(tmp_path / "missing")[0]
    assert "file.png: a file, not a folder" in refusal(tmp_path / "file.png")[0]
    assert "empty: no images in this folder" in refusal(tmp_path / "empty")[0]


def test_every_problem_is_told_in_one_go_one_line_each(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = io.BytesIO()
    Image.fromarray(noise).save(whole, "JPEG")
    (tmp_path / "1_cut.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    (tmp_path / "2_text.png").write_text("a text file renamed\n")
    (tmp_path / "3_zero.png").write_bytes(b"")
    (tmp_path / "4_link.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "5_phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    flat(RED).save(tmp_path / "6_red.png")
    flat(RED).save(tmp_path / "7_red.bmp")
    lines = refusal(tmp_path)
    assert len(lines) == 6
    assert "1_cut.jpg: cannot be decoded" in lines[0]
    assert "2_text.png: not an image of a known format" in lines[1]
    assert "3_zero.png: not an image of a known format" in lines[2]
    assert "4_link.png: not a file" in lines[3]
    assert "5_phone.heic: not an image of a known format" in lines[4]
    assert lines[5].endswith(": 6_red.png and 7_red.bmp have the same pixels; keep one of them")


def test_truncated_png_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    (line,) = refusal(tmp_path)
    assert "a.png: cannot be decoded" in line


def test_one_picture_in_two_qualities_is_a_warning(tmp_path, caplog):
    noise = np.random.default_rng(0).integers(0, 256, (3, 6, 6, 3)).astype(np.uint8)
    for number, picture in enumerate(noise):
        Image.fromarray(picture).resize((60, 60), 2).save(tmp_path / f"{number}.png")
    Image.open(tmp_path / "1.png").save(tmp_path / "again.jpg", quality=80)
    with caplog.at_level(logging.WARNING):
        images, names = load_folder(tmp_path, 32)
    assert len(images) == len(names) == 4
    (record,) = caplog.records
    assert record.getMessage().endswith(
        ": 1.png and again.jpg look the same, and would count twice; keep one of them"
    )
    caplog.clear()
    load_folder(tmp_path, 32, unique=False)
    assert not caplog.records


def test_bars_that_made_a_picture_square_are_a_warning(tmp_path, caplog):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    inner = Image.fromarray(noise)
    for name, size, place in (
        ("high.png", (80, 60), (10, 0)),
        ("wide.png", (60, 64), (0, 2)),
        ("ground.png", (80, 80), (10, 10)),
        ("uneven.png", (80, 60), (18, 0)),
        ("plain.png", (60, 60), (0, 0)),
    ):
        picture = Image.new("RGB", size, "black")
        picture.paste(inner.crop((0, 0, *size)) if name == "uneven.png" else inner, place)
        picture.save(tmp_path / name)
    load_folder(tmp_path, 32)
    (line,) = [r.getMessage() for r in caplog.records if "bars of" in r.getMessage()]
    assert line == (
        f"{tmp_path}: bars of one colour at two sides of high.png, wide.png; "
        "they would be learnt, crop: smart (--crop smart) takes them off"
    )
    caplog.clear()
    load_folder(tmp_path, 32, crop="smart")
    load_folder(tmp_path, 32, unique=False)
    assert not [r for r in caplog.records if "bars of" in r.getMessage()]


def test_same_bytes_in_other_shape_are_no_duplicates(tmp_path):
    flat(RED, (8, 16)).save(tmp_path / "tall.png")
    flat(RED, (16, 8)).save(tmp_path / "wide.png")
    assert len(load_folder(tmp_path, 4)[0]) == 2


@pytest.mark.parametrize("pillow_limit", [None, 30])
def test_decompression_bomb(tmp_path, monkeypatch, pillow_limit):
    flat(RED, (10, 10)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(folder_module, "MAX_PIXELS", 99)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    (line,) = refusal(tmp_path)
    assert "bomb.png: more than" in line
    assert "million pixels" in line


def test_limit_of_pixels_is_inclusive(tmp_path, monkeypatch):
    flat(RED, (10, 10)).save(tmp_path / "large.png")
    monkeypatch.setattr(folder_module, "MAX_PIXELS", 100)
    assert len(load_folder(tmp_path, 4)[0]) == 1


def test_line_break_in_a_name_stays_on_one_line(tmp_path):
    (tmp_path / "a\nb.png").write_text("text")
    (line,) = refusal(tmp_path)
    assert r"a\nb.png" in line


def test_resolution_must_be_positive(tmp_path):
    assert refusal(tmp_path, 0) == ["resolution 0: must be at least 1 pixel"]


# ---------------------------------------------------------------- real photographs


@pytest.mark.parametrize(
    ("folder", "count", "first"),
    [("targets/babies10", 10, "00102.png"), ("subjects/cat2", 5, "00.jpg")],
)
def test_photographs(folder, count, first):
    folder = PHOTOGRAPHS / folder
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    images, names = load_folder(folder, 32)
    assert images.images.shape == (count, 32, 32, 3)
    assert names[0] == first
    assert names == sorted(names)
    with Image.open(image_paths(folder)[0]) as photograph:  # the mean colour survives the resize
        expected = np.asarray(photograph.convert("RGB")).mean((0, 1))
    np.testing.assert_allclose(images.images[0].mean((0, 1)), expected, atol=2)
