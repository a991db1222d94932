"""Data folders of a user's own images: which are taken, and which are refused."""

from pathlib import Path

import pytest
from folder_hashes import own_images, tree

from unidad.data.image_set import ImageSet
from unidad.data.own_images import prepare_source, prepare_target
from unidad.data.recipes import OwnSource, OwnTarget
from unidad.errors import UserError

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data"


def prepare_folder_target(out, folder, reference=None, **settings):
    reference = None if reference is None else str(reference)
    return prepare_target(out, OwnTarget(folder=str(folder), reference=reference, **settings))


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


def test_the_shots_are_the_files_that_are_named_and_the_others_the_reference(tmp_path):
    own = own_images(tmp_path / "own", 6)
    named = {"shots": (1, 2), "shots_files": ("4.png", "1.png", "2.png"), "resolution": 16}
    manifest = prepare_folder_target(tmp_path / "out", own, own, **named)
    first = {
        name: ImageSet.load(tmp_path / "out" / f"{name}.npz").images[:, 0, 0, 0].tolist()
        for name in ("shots1", "shots2", "reference")
    }
    assert first == {"shots1": [40], "shots2": [40, 10], "reference": [20, 0, 30, 50]}
    originals = manifest["files"]["shots2.npz"]["originals"]
    assert [original["name"] for original in originals] == ["4.png", "1.png"]
    assert originals[0]["sha256"] == tree(own)["4.png"]


def test_shots_that_are_not_there_or_too_few_are_refused(tmp_path):
    own = own_images(tmp_path / "own", 4)
    with pytest.raises(UserError) as caught:
        prepare_folder_target(
            tmp_path / "out", own, shots_files=("9.png", "1.png", "no"), shots=[2]
        )
    assert str(caught.value).splitlines() == [
        f"{own}: no image {name} in this folder; correct 'shots_files'" for name in ("9.png", "no")
    ]
    with pytest.raises(UserError, match="shots_files: 1 names, but 2 shots are asked for"):
        prepare_folder_target(tmp_path / "out", own, shots_files=("1.png",), shots=(2,))
    assert not (tmp_path / "out").exists()


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
    settings = {"folder": str(own), "resolution": 16, "images": 4}
    manifest = prepare_source(tmp_path / "out", OwnSource(**settings, reference=str(other)))
    train = ImageSet.load(tmp_path / "out/train.npz").images
    assert train[:, 0, 0, 0].tolist() == [0, 0, 10, 20]
    assert ImageSet.load(tmp_path / "out/reference.npz").images[:, 0, 0, 0].tolist() == [200, 210]
    assert (manifest["train"], manifest["held_out"]) == ("train.npz", None)
    assert "0.png and 0b.png have the same pixels" in caplog.text
    with pytest.raises(UserError, match=r"1\.png is also a training image \(1\.png\)"):
        prepare_source(tmp_path / "out", OwnSource(**settings, reference=str(own)))
