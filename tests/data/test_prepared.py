"""Prepared folders side by side: contact sheets and the overview."""

import json

import numpy as np
import pytest
from folder_hashes import own_images
from PIL import Image

from unidad.data import contact_sheet as sheets
from unidad.data.contact_sheet import contact_sheet
from unidad.data.image_set import ImageSet
from unidad.data.own_images import prepare_target
from unidad.data.prepared import Part, read_manifest, write_folder, write_overview
from unidad.data.recipes import OwnTarget
from unidad.errors import UserError


def test_contact_sheet_shows_every_image_enlarged_without_blur():
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    sheet = np.asarray(contact_sheet({"a": images, "b": images[1:2]}, columns=2))
    pitch = sheets.TILE + sheets.GAP
    left = sheet.shape[1] - 2 * pitch
    assert sheet.shape[0] == sheets.GAP + 3 * pitch  # a: two lines; b: one
    for row, column, pixels in [(0, 0, 0), (0, 1, 1), (1, 0, 2), (2, 0, 1)]:
        top, start = sheets.GAP + row * pitch, left + column * pitch
        tile = sheet[top : top + sheets.TILE, start : start + sheets.TILE]
        np.testing.assert_array_equal(tile, images[pixels].repeat(2, 0).repeat(2, 1))
    assert (sheet[pitch:, left + pitch :] == 255).all()  # the places left free
    assert (sheet[: sheets.TILE, :left] < 128).any()  # the label


def test_overview_has_a_row_a_set_and_all_manifests(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 3), np.uint8)
    parts = {"train.npz": noise[:12], "reference.npz": noise[12:]}
    parts = {name: Part(ImageSet(images), {}) for name, images in parts.items()}
    write_folder(tmp_path / "source", parts, {})
    own = own_images(tmp_path / "own", 2)
    prepare_target(tmp_path / "mine", OwnTarget(folder=str(own), shots=(2,), resolution=16))
    overview = write_overview(tmp_path, [tmp_path / "source", tmp_path / "mine"])
    assert list(overview) == ["source", "mine"]
    assert overview["mine"] == read_manifest(tmp_path / "mine")
    assert json.loads((tmp_path / "manifest.json").read_text()) == overview
    sheet = Image.open(tmp_path / "contact_sheet.png")
    pitch = sheets.TILE + sheets.GAP
    assert sheet.height == sheets.GAP + 3 * pitch  # source: train, reference; mine: shots2
    own_second = sheet.getpixel((sheet.width - 9 * pitch + 5, sheets.GAP + 2 * pitch + 5))
    assert own_second == (10, 10, 10)


def test_overview_of_an_unprepared_folder_is_refused(tmp_path):
    (tmp_path / "source").mkdir()
    with pytest.raises(UserError, match="run `unidad prepare` first"):
        write_overview(tmp_path, [tmp_path / "source"])
    (tmp_path / "source" / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        write_overview(tmp_path, [tmp_path / "source"])
