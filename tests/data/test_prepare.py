"""Prepared folders: what is in them, that no set shares an image, same inputs → same bytes."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unidad.data import prepare
from unidad.data.image_set import ImageSet
from unidad.data.prepare import (
    contact_sheet,
    prepare_folder_target,
    prepare_overview,
    prepare_scenes,
    prepare_synthetic_source,
    prepare_synthetic_target,
    read_manifest,
)
from unidad.errors import UserError
from unidad.synthetic.faces import ATTRIBUTES, SourceShares, render
from unidad.synthetic.scenes import render as render_scenes
from unidad.synthetic.scenes import source_scenes

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data"
SMALL = {"resolution": 16, "reference_images": 4, "held_out_images": 3}


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def own_images(folder, count, first_level=0):
    """Flat grey images 0.png, 1.png, ... of distinct levels."""
    folder.mkdir()
    for i in range(count):
        Image.new("L", (20, 20), first_level + 10 * i).save(folder / f"{i}.png")
    return folder


# ---------------------------------------------------------------- synthetic


def test_source_sets_are_the_renderers_images_of_disjoint_index_ranges(tmp_path):
    shares = SourceShares(babies=0.5, sunglasses=1.0)
    manifest = prepare_synthetic_source(tmp_path, images=5, seed=3, shares=shares, **SMALL)
    for name, start, stop in [
        ("train.npz", 0, 5),
        ("reference.npz", 1_000_000, 1_000_004),
        ("held_out.npz", 2_000_000, 2_000_003),
    ]:
        expected = render("faces", 3, range(start, stop), 16, shares)
        written = ImageSet.load(tmp_path / name)
        np.testing.assert_array_equal(written.images, expected.images)
        assert set(written.attributes) == set(ATTRIBUTES)
        for attribute, values in expected.attributes.items():
            np.testing.assert_array_equal(written.attributes[attribute], values)
        assert manifest["files"][name]["indices"] == [start, stop]
        assert manifest["files"][name]["images"] == stop - start
    assert manifest["shares"] == {"babies": 0.5, "sunglasses": 1.0}
    assert (manifest["train"], manifest["domain"], manifest["seed"]) == ("train.npz", "faces", 3)


def test_scenes_are_captioned_and_of_disjoint_index_ranges(tmp_path):
    manifest = prepare_scenes(tmp_path, images=5, seed=3, **SMALL)
    for name, start, stop in [
        ("train.npz", 0, 5),
        ("reference.npz", 1_000_000, 1_000_004),
        ("held_out.npz", 2_000_000, 2_000_003),
    ]:
        scenes = source_scenes(3, range(start, stop))
        written = ImageSet.load(tmp_path / name)
        np.testing.assert_array_equal(written.images, render_scenes(scenes, 16))
        assert list(written.captions) == scenes.captions()
        assert manifest["files"][name]["indices"] == [start, stop]
    roles = ("domain", "train", "reference", "held_out", "attributes")
    assert [manifest[role] for role in roles] == [
        *("scenes", "train.npz", "reference.npz", "held_out.npz", []),
    ]
    chosen = prepare.prepare(tmp_path / "b", domain="scenes", images=5, seed=3, resolution=16)
    assert chosen["files"]["train.npz"] == manifest["files"]["train.npz"]


def test_target_shots_are_nested_and_lie_beside_as_png(tmp_path):
    prepare_synthetic_target(tmp_path, "cats", shots=(3, 1, 2, 3), **SMALL)
    sets = {k: ImageSet.load(tmp_path / f"shots{k}.npz") for k in (1, 2, 3)}
    assert [len(sets[k]) for k in (1, 2, 3)] == [1, 2, 3]
    for k in (1, 2):
        np.testing.assert_array_equal(sets[k].images, sets[3].images[:k])
        np.testing.assert_array_equal(
            sets[k].attributes["eye_size"], sets[3].attributes["eye_size"][:k]
        )
    for k, images in sets.items():
        pictures = sorted((tmp_path / f"shots{k}").iterdir())
        assert [picture.name for picture in pictures] == [f"{i:03d}.png" for i in range(k)]
        for picture, pixels in zip(pictures, images.images, strict=True):
            np.testing.assert_array_equal(np.asarray(Image.open(picture)), pixels)


def test_no_image_is_in_two_sets(tmp_path):
    prepare_synthetic_target(tmp_path, "babies", shots=(10,), **SMALL)
    names = ("shots10", "reference", "held_out")
    images = np.concatenate([ImageSet.load(tmp_path / f"{name}.npz").images for name in names])
    assert len(np.unique(images.reshape(17, -1), axis=0)) == 17


def test_manifest_accounts_for_every_file_with_its_hash(tmp_path):
    returned = prepare_synthetic_target(tmp_path, "portraits", shots=(1, 2), **SMALL)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest == returned == read_manifest(tmp_path)
    hashes = tree(tmp_path)
    del hashes["manifest.json"]
    assert {name: facts["sha256"] for name, facts in manifest["files"].items()} == hashes
    assert manifest["attributes"] == list(ATTRIBUTES)
    assert {key: manifest[key] for key in ("kind", "domain", "seed", "resolution")} == {
        "kind": "synthetic",
        "domain": "portraits",
        "seed": 0,
        "resolution": 16,
    }
    assert [manifest[role] for role in ("train", "reference", "held_out")] == [
        "shots2.npz",
        "reference.npz",
        "held_out.npz",
    ]


def test_same_inputs_same_bytes_whatever_the_date_and_place(tmp_path, monkeypatch):
    prepare_synthetic_target(tmp_path / "a", "cats", shots=(2,), **SMALL)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    prepare_synthetic_target(tmp_path / "b", "cats", shots=(2,), **SMALL)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    prepare_synthetic_target(tmp_path / "c", "cats", shots=(2,), seed=1, **SMALL)
    for name, digest in tree(tmp_path / "c").items():
        assert digest != tree(tmp_path / "a")[name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference_images": 0}, "0 images of cats: must lie between 1 and 1000000"),
        ({"held_out_images": 1_000_001}, "1000001 images of cats: must lie between"),
        ({"shots": ()}, "shots []: give one or more"),
        ({"shots": (0, 5)}, "shots [0, 5]: give one or more"),
    ],
)
def test_numbers_out_of_range_are_refused_and_leave_the_folder_alone(tmp_path, arguments, message):
    prepare_synthetic_target(tmp_path, "cats", shots=(1,), **SMALL)
    before = tree(tmp_path)
    with pytest.raises(UserError) as caught:
        prepare_synthetic_target(tmp_path, "cats", **(SMALL | {"shots": (1,)} | arguments))
    assert message in str(caught.value)
    assert tree(tmp_path) == before


def test_interrupted_half_way_leaves_no_manifest_and_no_broken_file(tmp_path, monkeypatch):
    prepare_synthetic_target(tmp_path, "cats", shots=(1, 2), **SMALL)
    monkeypatch.setattr(prepare, "contact_sheet", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_synthetic_target(tmp_path, "cats", shots=(1, 2), seed=1, **SMALL)
    with pytest.raises(UserError, match="run `unidad prepare` first"):
        read_manifest(tmp_path)
    for path in tmp_path.glob("*.npz"):
        ImageSet.load(path)


def interrupt(*_):
    raise KeyboardInterrupt


# ---------------------------------------------------------------- a user's own folder


def test_own_folder_gives_the_first_images_and_names_their_originals(tmp_path):
    own = own_images(tmp_path / "own", 12)
    manifest = prepare_folder_target(tmp_path / "out", own, shots=(1, 11), resolution=16)
    images = ImageSet.load(tmp_path / "out" / "shots11.npz").images
    assert images[:, 0, 0, 0].tolist() == [10 * i for i in range(11)]  # 10.png after 9.png
    originals = manifest["files"]["shots11.npz"]["originals"]
    assert [original["name"] for original in originals] == [f"{i}.png" for i in range(11)]
    assert originals[10]["sha256"] == tree(own)["10.png"]
    assert manifest["files"]["shots1.npz"]["originals"] == originals[:1]
    assert (manifest["kind"], manifest["reference"], manifest["held_out"]) == ("folder", None, None)
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.json").read_text()


def test_reference_folder_is_optional_and_an_old_one_does_not_stay(tmp_path):
    own = own_images(tmp_path / "own", 2)
    other = own_images(tmp_path / "other", 3, first_level=100)
    out = tmp_path / "out"
    manifest = prepare_folder_target(out, own, shots=(2,), resolution=16, reference=other)
    assert manifest["reference"] == "reference.npz"
    assert ImageSet.load(out / "reference.npz").images[:, 0, 0, 0].tolist() == [100, 110, 120]
    assert len(manifest["files"]["reference.npz"]["originals"]) == 3
    prepare_folder_target(out, own, shots=(2,), resolution=16)
    assert not (out / "reference.npz").exists()


def test_training_images_in_the_reference_are_refused_by_name(tmp_path):
    own = own_images(tmp_path / "own", 2)
    other = own_images(tmp_path / "other", 3, first_level=10)  # its 0.png is our 1.png
    with pytest.raises(UserError) as caught:
        prepare_folder_target(tmp_path / "out", own, shots=(2,), resolution=16, reference=other)
    (line,) = str(caught.value).splitlines()
    assert line.endswith(
        "other: 0.png is also a training image (1.png); take it out of the reference"
    )
    assert not (tmp_path / "out").exists()
    prepare_folder_target(tmp_path / "out", own, shots=(1,), resolution=16, reference=other)


def test_more_shots_than_images_are_refused(tmp_path):
    own = own_images(tmp_path / "own", 4)
    with pytest.raises(UserError, match="own: 4 images, but 5 shots are asked for"):
        prepare_folder_target(tmp_path / "out", own, shots=(5, 1), resolution=16)
    assert not (tmp_path / "out").exists()


def test_results_are_not_written_among_the_users_images(tmp_path):
    own = own_images(tmp_path / "own", 2)
    with pytest.raises(UserError, match="write elsewhere"):
        prepare_folder_target(own, tmp_path / "own", shots=(1,), resolution=16)
    assert len(tree(own)) == 2


def test_bad_folder_writes_nothing(tmp_path):
    own = own_images(tmp_path / "own", 2)
    (own / "text.png").write_text("text")
    with pytest.raises(UserError, match=r"text\.png"):
        prepare_folder_target(tmp_path / "out", own, shots=(1,), resolution=16)
    assert not (tmp_path / "out").exists()


def test_ten_photographs_at_32_pixels(tmp_path):
    folder = PHOTOGRAPHS / "targets" / "babies10"
    if not folder.is_dir():
        pytest.skip("the ten photographs are not here")
    manifest = prepare_folder_target(tmp_path, folder)
    assert [manifest["files"][f"shots{k}.npz"]["images"] for k in (1, 5, 10)] == [1, 5, 10]
    assert ImageSet.load(tmp_path / "shots10.npz").images.shape == (10, 32, 32, 3)


def test_training_images_can_be_left_out_of_the_reference(tmp_path, caplog):
    """The published test sets hold the training images."""
    own = own_images(tmp_path / "own", 2)
    other = own_images(tmp_path / "other", 3, first_level=10)  # its 0.png is our 1.png
    options = {"shots": (2,), "resolution": 16, "shots_in_reference": "drop"}
    manifest = prepare_folder_target(tmp_path / "out", own, reference=other, **options)
    images = ImageSet.load(tmp_path / "out/reference.npz").images
    assert images[:, 0, 0, 0].tolist() == [20, 30]
    names = [original["name"] for original in manifest["files"]["reference.npz"]["originals"]]
    assert names == ["1.png", "2.png"]
    assert "other: 1 training images are left out of it" in caplog.text


def test_the_same_folder_as_reference_is_the_rest_of_it(tmp_path):
    own = own_images(tmp_path / "own", 5)
    (own / "copy.png").write_bytes((own / "4.png").read_bytes())
    prepare_folder_target(tmp_path / "out", own, shots=(1, 2), resolution=16, reference=own)
    levels = {
        name: ImageSet.load(tmp_path / "out" / name).images[:, 0, 0, 0].tolist()
        for name in ("shots2.npz", "reference.npz")
    }
    assert levels == {"shots2.npz": [0, 10], "reference.npz": [20, 30, 40, 40]}


def test_a_reference_without_other_images_is_refused(tmp_path):
    own = own_images(tmp_path / "own", 2)
    with pytest.raises(UserError, match="is also a training image"):
        prepare_folder_target(tmp_path / "out", own, shots=(2,), resolution=16, reference=own)


def test_a_source_of_ones_own_is_the_first_images(tmp_path, caplog):
    own = own_images(tmp_path / "own", 12)
    (own / "0b.png").write_bytes((own / "0.png").read_bytes())  # counts twice, with a warning
    other = own_images(tmp_path / "other", 2, first_level=200)
    settings = {"folder": own, "shots": None, "resolution": 16, "images": 4}
    manifest = prepare.prepare(tmp_path / "out", **settings, reference=other, reference_images=50)
    train = ImageSet.load(tmp_path / "out/train.npz").images
    assert train[:, 0, 0, 0].tolist() == [0, 0, 10, 20]
    assert ImageSet.load(tmp_path / "out/reference.npz").images[:, 0, 0, 0].tolist() == [200, 210]
    assert (manifest["train"], manifest["held_out"]) == ("train.npz", None)
    assert "0.png and 0b.png have the same pixels" in caplog.text
    with pytest.raises(UserError, match=r"1\.png is also a training image \(1\.png\)"):
        prepare.prepare(tmp_path / "out", **settings, reference=own)


# ---------------------------------------------------------------- sheets and overview


def test_contact_sheet_shows_every_image_enlarged_without_blur():
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    sheet = np.asarray(contact_sheet({"a": images, "b": images[1:2]}, columns=2))
    pitch = prepare.TILE + prepare.GAP
    left = sheet.shape[1] - 2 * pitch
    assert sheet.shape[0] == prepare.GAP + 3 * pitch  # a: two lines; b: one
    for row, column, pixels in [(0, 0, 0), (0, 1, 1), (1, 0, 2), (2, 0, 1)]:
        top, start = prepare.GAP + row * pitch, left + column * pitch
        tile = sheet[top : top + prepare.TILE, start : start + prepare.TILE]
        np.testing.assert_array_equal(tile, images[pixels].repeat(2, 0).repeat(2, 1))
    assert (sheet[pitch:, left + pitch :] == 255).all()  # the places left free
    assert (sheet[: prepare.TILE, :left] < 128).any()  # the label


def test_overview_has_a_row_a_set_and_all_manifests(tmp_path):
    prepare_synthetic_source(tmp_path / "source", images=12, **SMALL)
    own = own_images(tmp_path / "own", 2)
    prepare_folder_target(tmp_path / "mine", own, shots=(2,), resolution=16)
    overview = prepare_overview(tmp_path, [tmp_path / "source", tmp_path / "mine"])
    assert list(overview) == ["source", "mine"]
    assert overview["mine"] == read_manifest(tmp_path / "mine")
    assert json.loads((tmp_path / "manifest.json").read_text()) == overview
    sheet = Image.open(tmp_path / "contact_sheet.png")
    pitch = prepare.TILE + prepare.GAP
    assert sheet.height == prepare.GAP + 3 * pitch  # source: train, reference; mine: shots2
    own_second = sheet.getpixel((sheet.width - 9 * pitch + 5, prepare.GAP + 2 * pitch + 5))
    assert own_second == (10, 10, 10)


def test_overview_of_an_unprepared_folder_is_refused(tmp_path):
    (tmp_path / "source").mkdir()
    with pytest.raises(UserError, match="run `unidad prepare` first"):
        prepare_overview(tmp_path, [tmp_path / "source"])
    (tmp_path / "source" / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        prepare_overview(tmp_path, [tmp_path / "source"])
