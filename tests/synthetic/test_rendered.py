"""Rendered folders: what is in them, that no set shares an image, same inputs → same bytes."""

import json
import time

import numpy as np
import pytest
from folder_hashes import tree
from PIL import Image

from unidad.config.mistakes import validate
from unidad.data import prepared
from unidad.data.image_set import ImageSet
from unidad.data.prepared import read_manifest
from unidad.errors import UserError
from unidad.synthetic.data_recipes import CaptionedScenes, Faces, FaceTarget
from unidad.synthetic.faces import ATTRIBUTES, SourceShares, render
from unidad.synthetic.rendered import prepare_face_target, prepare_faces, prepare_scenes
from unidad.synthetic.scenes import render as render_scenes
from unidad.synthetic.scenes import source_scenes

SMALL = {"resolution": 16, "reference_images": 4, "held_out_images": 3}


def prepare_target(out, domain, **settings):
    settings = validate(FaceTarget, SMALL | {"domain": domain} | settings, "settings")
    return prepare_face_target(out, settings)


def test_source_sets_are_the_renderers_images_of_disjoint_index_ranges(tmp_path):
    shares = SourceShares(babies=0.5, sunglasses=1.0)
    manifest = prepare_faces(
        tmp_path, Faces(domain="faces", images=5, seed=3, babies=0.5, sunglasses=1.0, **SMALL)
    )
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
    manifest = prepare_scenes(tmp_path, CaptionedScenes(domain="scenes", images=5, seed=3, **SMALL))
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


def test_target_shots_are_nested_and_lie_beside_as_png(tmp_path):
    prepare_target(tmp_path, "cats", shots=(3, 1, 2, 3))
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
    prepare_target(tmp_path, "babies", shots=(10,))
    names = ("shots10", "reference", "held_out")
    images = np.concatenate([ImageSet.load(tmp_path / f"{name}.npz").images for name in names])
    assert len(np.unique(images.reshape(17, -1), axis=0)) == 17


def test_manifest_accounts_for_every_file_with_its_hash(tmp_path):
    returned = prepare_target(tmp_path, "portraits", shots=(1, 2))
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
    prepare_target(tmp_path / "a", "cats", shots=(2,))
    monkeypatch.setattr(time, "time", lambda: 2e9)
    prepare_target(tmp_path / "b", "cats", shots=(2,))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    prepare_target(tmp_path / "c", "cats", shots=(2,), seed=1)
    for name, digest in tree(tmp_path / "c").items():
        assert digest != tree(tmp_path / "a")[name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference_images": 0}, "reference_images: Input should be greater than or equal to 1"),
        ({"held_out_images": 1_000_001}, "should be less than or equal to 1000000, found 1000001"),
        ({"shots": ()}, "shots: Input should be a list of at least 1 item"),
        ({"shots": (0, 5)}, "shots.0: Input should be greater than or equal to 1, found 0"),
    ],
)
def test_numbers_out_of_range_are_refused_and_leave_the_folder_alone(tmp_path, arguments, message):
    prepare_target(tmp_path, "cats", shots=(1,))
    before = tree(tmp_path)
    with pytest.raises(UserError) as caught:
        prepare_target(tmp_path, "cats", **({"shots": (1,)} | arguments))
    assert message in str(caught.value)
    assert tree(tmp_path) == before


def test_interrupted_half_way_leaves_no_manifest_and_no_broken_file(tmp_path, monkeypatch):
    prepare_target(tmp_path, "cats", shots=(1, 2))
    monkeypatch.setattr(prepared, "contact_sheet", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_target(tmp_path, "cats", shots=(1, 2), seed=1)
    with pytest.raises(UserError, match="run `unidad prepare` first"):
        read_manifest(tmp_path)
    for path in tmp_path.glob("*.npz"):
        ImageSet.load(path)


def interrupt(*_):
    raise KeyboardInterrupt
