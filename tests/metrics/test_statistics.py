import numpy as np
import pytest
import torch

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.features import Features
from unidad.metrics import statistics
from unidad.metrics.statistics import cached_statistics


class Counting:
    """Mean colours; counts its calls."""

    name, domains = "mean-colour", ()

    def __init__(self, fingerprint: str = "1"):
        self.fingerprint = fingerprint
        self.calls = 0

    def features(self, images):
        self.calls += 1
        none = np.zeros((len(images), 0), np.float32)
        return Features(images.mean((1, 2), dtype=np.float32), none, none)


@pytest.fixture
def moments(monkeypatch):
    """Counts how often moments are computed."""
    calls, plain = [], statistics.moments

    def counted(rows):
        calls.append(len(rows))
        return plain(rows)

    monkeypatch.setattr(statistics, "moments", counted)
    return calls


def test_computed_once_and_read_back_as_they_were(tmp_path, image_set, moments):
    extractor = Counting()
    first = cached_statistics(image_set, extractor, tmp_path / "cache")
    again = cached_statistics(image_set, extractor, tmp_path / "cache")
    assert (extractor.calls, moments) == (1, [6])
    rows = image_set.images.mean((1, 2), dtype=np.float32).astype(float)
    np.testing.assert_allclose(first.mean, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(first.covariance, np.cov(rows, rowvar=False), rtol=1e-9)
    assert torch.equal(again.mean, first.mean)
    assert torch.equal(again.covariance, first.covariance)
    assert np.array_equal(again.features.pooled, rows.astype(np.float32))
    files = sorted(path.name.split(".", 1)[1] for path in (tmp_path / "cache").iterdir())
    assert files == ["features.npz", "moments.npz"]


def test_other_images_resolutions_and_networks_have_files_of_their_own(tmp_path, image_set):
    changed = image_set.images.copy()
    changed[3, 2, 1, 0] ^= 1
    sets = [image_set, ImageSet(changed), ImageSet(image_set.images.reshape(6, 8, 32, 3))]
    extractor = Counting()
    found = [cached_statistics(images, extractor, tmp_path) for images in sets]
    cached_statistics(image_set, Counting("2"), tmp_path)
    assert extractor.calls == 3
    assert not torch.equal(found[0].mean, found[1].mean)
    assert len(list(tmp_path.iterdir())) == 2 * 4


@pytest.mark.parametrize("content", [b"cut off", None])
def test_damaged_moments_are_computed_anew(tmp_path, image_set, moments, content):
    expected = cached_statistics(image_set, Counting(), tmp_path)
    (path,) = tmp_path.glob("*.moments.npz")
    if content is None:
        with open(path, "wb") as file:
            np.savez(file, mean=np.zeros(2), covariance=np.zeros((2, 2)))
    else:
        path.write_bytes(content)
    extractor = Counting()
    found = cached_statistics(image_set, extractor, tmp_path)
    assert (extractor.calls, len(moments)) == (0, 2)
    assert torch.equal(found.covariance, expected.covariance)


def test_one_image_has_no_covariance(tmp_path, image_set):
    with pytest.raises(UserError, match="the reference: 1 images"):
        cached_statistics(ImageSet(image_set.images[:1]), Counting(), tmp_path)
    assert list(tmp_path.glob("*moments*")) == []
