"""The target of real faces that comes with scikit-image."""

import sys

import numpy as np
import pytest
from skimage.data import lfw_subset

from unidad.data.image_set import ImageSet
from unidad.data.lfw import prepare_lfw
from unidad.data.recipes import LfwTarget
from unidad.errors import UserError


def sets(out, **settings):
    manifest = prepare_lfw(out, LfwTarget(domain="lfw", **settings))
    return manifest, {
        name: ImageSet.load(out / name).images
        for name in manifest["files"]
        if name.endswith(".npz")
    }


def test_the_shots_are_the_first_faces_and_the_reference_those_after_the_last(tmp_path):
    manifest, images = sets(tmp_path / "lfw", shots=(1, 10), resolution=25)
    faces = np.rint(255 * lfw_subset()).astype(int)
    assert {name: len(part) for name, part in images.items()} == {
        "shots1.npz": 1,
        "shots10.npz": 10,
        "reference.npz": 90,
    }
    for name, start in (("shots1.npz", 0), ("shots10.npz", 0), ("reference.npz", 10)):
        part = images[name]
        for channel in range(3):
            assert np.array_equal(part[..., channel], faces[start : start + len(part)])
    assert manifest["files"]["reference.npz"]["indices"] == [10, 100]
    assert (manifest["domain"], manifest["reference"], manifest["held_out"]) == (
        None,
        "reference.npz",
        None,
    )
    assert len({face.tobytes() for part in (faces[:10], faces[10:100]) for face in part}) == 100


def test_faces_are_enlarged_to_the_resolution(tmp_path):
    _, images = sets(tmp_path / "lfw", shots=(2,), resolution=64)
    grey = images["shots2.npz"][..., 0].astype(float)
    assert grey.shape == (2, 64, 64)
    expected = 255 * lfw_subset()[:2].mean((1, 2))
    assert np.abs(grey.mean((1, 2)) - expected).max() < 1


def test_a_line_where_no_face_is_left_or_the_package_is_missing(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"shots 100: lfw has 100 faces.*lower 'shots'"):
        sets(tmp_path / "lfw", shots=(100,))
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(UserError, match=r"domain lfw: needs scikit-image; .*unidad\[photo\]"):
        sets(tmp_path / "lfw", shots=(1,))
    assert not list(tmp_path.rglob("*.npz"))
