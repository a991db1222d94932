import numpy as np
import pytest

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.features import Features, cached_features, fingerprint


class Counting:
    """An extractor of mean colours that counts its calls."""

    name = "mean-colour"
    domains = ("dark", "bright")

    def __init__(self, fingerprint: str = "1"):
        self.fingerprint = fingerprint
        self.calls = 0

    def features(self, images):
        self.calls += 1
        pooled = images.mean((1, 2), dtype=np.float32)
        return Features(pooled, pooled[:, :1] / 255, np.eye(2, dtype=np.float32)[[0] * len(pooled)])


def test_features_come_back_as_they_were_saved(tmp_path, image_set):
    features = Counting().features(image_set.images)
    features.save(tmp_path / "deep" / "features.npz")
    loaded = Features.load(tmp_path / "deep" / "features.npz")
    for name in ("pooled", "attributes", "domain"):
        assert np.array_equal(getattr(loaded, name), getattr(features, name))
        assert getattr(loaded, name).dtype == np.float32
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["features.npz"]


def test_cache_computes_once(tmp_path, image_set):
    extractor = Counting()
    first = cached_features(image_set, extractor, tmp_path / "f.npz")
    again = cached_features(image_set, extractor, tmp_path / "f.npz")
    assert extractor.calls == 1
    assert np.array_equal(first.pooled, image_set.images.mean((1, 2), dtype=np.float32))
    assert np.array_equal(first.pooled, again.pooled)


def test_cache_notices_other_images_another_network_and_a_broken_file(tmp_path, image_set):
    path = tmp_path / "f.npz"
    cached_features(image_set, Counting(), path)
    other = ImageSet(255 - image_set.images)
    found = cached_features(other, Counting(), path)
    assert np.array_equal(found.pooled, other.images.mean((1, 2), dtype=np.float32))
    retrained = Counting("2")
    assert cached_features(other, retrained, path).origin == fingerprint(other, retrained)
    assert retrained.calls == 1
    path.write_bytes(b"cut off")
    cached_features(other, retrained, path)
    assert retrained.calls == 2
    assert Features.load(path).origin == fingerprint(other, retrained)


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_what_holds_no_features_is_told_in_one_line(tmp_path, content):
    path = tmp_path / "f.npz"
    if content is None:
        np.savez(path, pooled=np.zeros((2, 3)))
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match="not features written by unidad"):
        Features.load(path)
    with pytest.raises(UserError, match="no such features"):
        Features.load(tmp_path / "absent.npz")


def test_unequal_lengths_are_refused(tmp_path):
    Features(np.zeros((2, 3)), np.zeros((3, 1)), np.zeros((2, 5))).save(tmp_path / "f.npz")
    with pytest.raises(UserError, match="unequal shapes"):
        Features.load(tmp_path / "f.npz")
