"""`prepare` and `contact-sheet`: what they write, and mistakes in a folder of images."""

import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from unidad.data.image_set import ImageSet
from unidad.files import sha256


def test_prepare_takes_a_folder_as_it_is(image_set, told):
    Path("photos").mkdir()
    for number, pixels in enumerate(image_set.images[:3]):
        Image.fromarray(pixels).save(f"photos/{number}.png")
    Path("settings.json").write_text('{"shots": [3], "resolution": 64}')
    status, out, err = told(
        *("prepare", "--folder", "photos", "--settings", "settings.json"),
        *("--shots", 1, 2, "--resolution", 16, "--out", "data/mine"),
    )
    assert (status, err) == (0, [])
    assert out == [
        "data/mine: shots1.npz, shots1/000.png, shots2.npz, shots2/000.png, shots2/001.png, "
        "contact_sheet.png"
    ]
    assert np.array_equal(ImageSet.load("data/mine/shots2.npz").images, image_set.images[:2])
    status, out, err = told("contact-sheet", "data/mine", "--out", "data")
    assert (status, out, err) == (0, [], [])
    manifests = json.loads(Path("data/manifest.json").read_text())
    assert manifests == {"mine": json.loads(Path("data/mine/manifest.json").read_text())}
    assert Path("data/contact_sheet.png").exists()


def test_mistakes_in_a_user_s_folder(complains):
    prepare = ("prepare", "--out", "data", "--shots", 1, "--folder")
    Path("photos").mkdir()
    complains((*prepare, "no"), "no: no such folder of images")
    complains((*prepare, "photos"), "photos: no images in this folder")
    Path("photos/text.png").write_text("I am not a picture")
    complains((*prepare, "photos"), "photos/text.png: not an image of a known format")
    complains(("prepare", "--out", "data"), "give one of a domain, a subject and a folder")
    Path("typo.json").write_text('{"domain": "cats", "shot": [1]}')
    complains(("prepare", "--out", "data", "--settings", "typo.json"), "shot: unknown key", "shots")
    complains(("contact-sheet", "photos", "--out", "data"), "photos/manifest.json: no such file")


def test_each_problem_has_a_line_of_its_own(told):
    Path("photos").mkdir()
    for name in ("a.png", "b.png"):
        Path("photos", name).write_text("no picture")
    status, _, err = told("prepare", "--folder", "photos", "--out", "data")
    assert status == 2
    starts = ["unidad prepare: photos/a.png: not an", "unidad prepare: photos/b.png: not an"]
    assert [line[: len(start)] for line, start in zip(err, starts, strict=True)] == starts


def test_fetch_and_unpack_from_this_machine(image_set, told, complains):
    with zipfile.ZipFile("photos.zip", "w") as archive:
        for number, pixels in enumerate(image_set.images[:3]):
            Image.fromarray(pixels).save("one.png")
            archive.write("one.png", f"set/{number}.png")
    digest = sha256(Path("photos.zip"))
    fetched = told("fetch", Path("photos.zip").resolve().as_uri(), "--out", "data/a.zip", "--quiet")
    assert fetched == (0, [f"data/a.zip: sha256 {digest}"], [])
    unpacked = told("unpack", "data/a.zip", "--inside", "set", "--sha256", digest, "--out", "mine")
    assert unpacked == (0, ["mine: 3 images"], [])
    assert [path.name for path in sorted(Path("mine").iterdir())] == ["0.png", "1.png", "2.png"]
    settings = {"archive": "data/a.zip", "sha256": None, "inside": ""}
    Path("settings.json").write_text(json.dumps(settings))
    assert told("unpack", "--settings", "settings.json", "--out", "all")[1] == ["all: 3 images"]
    wrong = ("unpack", "data/a.zip", "--sha256", "0" * 64, "--out", "no")
    complains(wrong, "data/a.zip: its SHA-256 is ", digest)
    complains(("unpack", "--out", "no"), "which archive? give its path")


def test_archives_that_are_refused(complains):
    with zipfile.ZipFile("bad.zip", "w") as archive:
        archive.writestr("../escaped.png", b"x")
    complains(("unpack", "bad.zip", "--out", "no"), "bad.zip: '../escaped.png' leads out of it")
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(2**27))
    complains(("unpack", "bomb.zip", "--out", "no"), "bomb.zip: unpacks to more than 67.1MB")
    complains(("fetch", "no.zip", "--out", "a.zip"), "no.zip: no such file")
