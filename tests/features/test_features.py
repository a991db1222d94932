import numpy as np
import pytest

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.contract import Extractor, Together
from unidad.features.extractors import load_extractor
from unidad.features.features import Features, cached_features, extract, fingerprint


class Counting(Extractor):
    """Mean colours, with a count of its calls."""

    name = "mean-colour"
    domains = ("dark", "bright")

    def __init__(self, fingerprint: str = "1"):
        self.fingerprint = fingerprint
        self.calls = 0

    def features(self, images):
        self.calls += 1
        return {"pooled": images.mean((1, 2), dtype=np.float32)}


def test_features_are_what_the_networks_say(networks, sets):
    images, (clip, encoder) = sets["samples"], networks.networks
    found = extract(images, networks, ["a cat", "a red cat", "a cat"])
    assert np.array_equal(found["clip"], clip.images(images.images))
    assert np.array_equal(found["instance"], encoder.embed(images.images))
    assert list(found.texts) == ["a cat", "a red cat"]
    assert np.array_equal(found.text(["a cat", "a red cat"]), clip.texts(["a cat", "a red cat"]))
    words = encoder.words(images.images)
    assert {f"word:{part}": seen for part, seen in words.items()} == {
        name: rows.tolist() for name, rows in found.rows.items() if name.startswith("word:")
    }
    assert {len(set(seen)) for seen in words.values()} != {1}


def test_several_networks_are_one(networks, sets):
    images, (clip, encoder) = sets["samples"].images, networks.networks
    assert networks.fingerprint == f"{clip.fingerprint} {encoder.fingerprint}"
    assert np.array_equal(networks.perceptual(images), encoder.perceptual(images))
    assert Together([encoder]).texts(["a cat"]) is None
    with pytest.raises(UserError, match="clip: LPIPS cannot be measured in this network"):
        clip.perceptual(images)


def test_a_prompt_finds_its_row(features):
    found = features["samples"]
    rows = found.text(["a cat in the snow", "a red cat", "a cat in the snow"])
    assert np.array_equal(rows, np.stack(list(found.texts.values()))[[1, 0, 1]])
    with pytest.raises(UserError, match="prompt 'a dog' was not embedded"):
        found.text(["a red cat", "a dog"])


def test_features_come_back_as_they_were_saved(features, networks, sets, tmp_path):
    nothing_said = extract(sets["reference"], networks)
    assert nothing_said.texts == {}
    for number, found in enumerate((features["samples"], nothing_said)):
        found.save(tmp_path / "deep" / f"{number}.npz")
        loaded = Features.load(tmp_path / "deep" / f"{number}.npz")
        for ours, theirs in ((found.rows, loaded.rows), (found.texts, loaded.texts)):
            assert list(ours) == list(theirs)
            assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
        assert (loaded["clip"].dtype, loaded.origin) == (np.float32, found.origin)
    assert len(list((tmp_path / "deep").iterdir())) == 2


def test_cache_computes_once(tmp_path, image_set):
    extractor = Counting()
    first = cached_features(image_set, extractor, tmp_path / "f.npz", ["a cat"])
    again = cached_features(image_set, extractor, tmp_path / "f.npz", ["a cat", "a cat"])
    assert extractor.calls == 1
    assert np.array_equal(first["pooled"], image_set.images.mean((1, 2), dtype=np.float32))
    assert np.array_equal(first["pooled"], again["pooled"])
    assert again.texts == {}


def test_mirror_images_are_seen_where_they_are_asked_for(tmp_path, feature_network, image_set):
    network, path = load_extractor(feature_network), tmp_path / "f.npz"
    plain = cached_features(image_set, network, path)
    assert "mirrored" not in plain.rows
    seen = cached_features(image_set, network, path, mirrored=True)
    of_mirrored = network.features(np.ascontiguousarray(image_set.images[:, :, ::-1]))
    assert np.array_equal(seen["pooled"], plain["pooled"])
    assert np.array_equal(seen["mirrored"], of_mirrored["pooled"])
    assert not np.allclose(seen["mirrored"], seen["pooled"])


@pytest.mark.parametrize("change", ["images", "prompts", "network", "file"])
def test_what_changed_is_computed_anew(tmp_path, image_set, change):
    path, images, prompts = tmp_path / "f.npz", image_set, ["a cat"]
    cached_features(images, Counting(), path, prompts)
    extractor = Counting("2" if change == "network" else "1")
    if change == "images":
        images = ImageSet(255 - images.images)
    if change == "prompts":
        prompts = ["a dog"]
    if change == "file":
        path.write_bytes(b"cut off")
    cached_features(images, extractor, path, prompts)
    assert extractor.calls == 1
    stored = Features.load(path)
    assert np.array_equal(stored["pooled"], images.images.mean((1, 2), dtype=np.float32))
    assert stored.origin == fingerprint(images, extractor, prompts)


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_what_holds_no_features_is_told_in_one_line(tmp_path, content):
    path = tmp_path / "f.npz"
    if content is None:
        np.savez(path, pooled=np.zeros((2, 3)))
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match="not features written by unidad"):
        Features.load(path)
    with pytest.raises(UserError, match="no such features; run `unidad features`"):
        Features.load(tmp_path / "absent.npz")


def test_unequal_lengths_and_absent_features_are_refused(tmp_path):
    Features({"pooled": np.zeros((2, 3)), "domain": np.zeros((3, 1))}).save(tmp_path / "f.npz")
    with pytest.raises(UserError, match="unequal lengths"):
        Features.load(tmp_path / "f.npz")
    with pytest.raises(UserError, match="no 'clip'; compute them again"):
        Features({"pooled": np.zeros((2, 3))})["clip"]
