import numpy as np
import pytest

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.subject import SubjectFeatures, SubjectNetworks

ARRAYS = ("clip", "instance", "clip_text")


def test_features_are_what_the_networks_say(networks, sets):
    images = sets["samples"]
    found = networks.features(images, ["a cat", "a red cat", "a cat"])
    assert np.array_equal(found.clip, networks.clip.images(images.images))
    assert np.array_equal(found.instance, networks.encoder.embed(images.images))
    assert found.prompts == ("a cat", "a red cat")
    assert np.array_equal(found.clip_text, networks.clip.texts(["a cat", "a red cat"]))
    words = {part: tuple(seen) for part, seen in networks.encoder.words(images.images).items()}
    assert found.words == words
    assert {len(set(seen)) for seen in words.values()} != {1}


def test_a_prompt_finds_its_row(features):
    found = features["samples"]
    rows = found.text(["a cat in the snow", "a red cat", "a cat in the snow"])
    assert np.array_equal(rows, found.clip_text[[1, 0, 1]])
    with pytest.raises(UserError, match="prompt 'a dog' was not embedded"):
        found.text(["a red cat", "a dog"])


def test_features_come_back_as_they_were_saved(features, networks, sets, tmp_path):
    nothing_said = networks.features(sets["reference"], [])
    assert nothing_said.clip_text.shape == (0, 12)
    for number, found in enumerate((features["samples"], nothing_said)):
        found.save(tmp_path / f"{number}.npz")
        loaded = SubjectFeatures.load(tmp_path / f"{number}.npz")
        for name in ARRAYS:
            assert np.array_equal(getattr(loaded, name), getattr(found, name))
        assert (loaded.prompts, loaded.words, loaded.origin) == (
            *(found.prompts, found.words, found.origin),
        )


class Counting:
    """An encoder of mean colours that counts its calls, and knows no words."""

    def __init__(self, fingerprint="1"):
        self.fingerprint = fingerprint
        self.calls = 0

    def embed(self, images):
        self.calls += 1
        return images.mean((1, 2), dtype=np.float32) / 255

    def words(self, images):
        return {}


def test_features_are_computed_once(clip, sets, tmp_path):
    encoder = Counting()
    networks = SubjectNetworks(clip, encoder)
    first = networks.cached_features(sets["samples"], ["a cat"], tmp_path / "f.npz")
    again = networks.cached_features(sets["samples"], ["a cat", "a cat"], tmp_path / "f.npz")
    assert encoder.calls == 1
    assert again.words == {}
    assert np.array_equal(again.instance, first.instance)


@pytest.mark.parametrize("change", ["images", "prompts", "network", "file"])
def test_what_changed_is_computed_anew(clip, sets, tmp_path, change):
    path, images, prompts = tmp_path / "f.npz", sets["samples"], ["a cat"]
    SubjectNetworks(clip, Counting()).cached_features(images, prompts, path)
    encoder = Counting("2" if change == "network" else "1")
    if change == "images":
        images = ImageSet(255 - images.images)
    if change == "prompts":
        prompts = ["a dog"]
    if change == "file":
        path.write_bytes(b"cut off")
    SubjectNetworks(clip, encoder).cached_features(images, prompts, path)
    assert encoder.calls == 1
    stored = SubjectFeatures.load(path)
    assert np.array_equal(stored.instance, Counting().embed(images.images))
    assert stored.prompts == tuple(prompts)


def test_what_holds_no_features_is_told_in_one_line(tmp_path):
    path = tmp_path / "f.npz"
    with pytest.raises(UserError, match="no such features; run `unidad subject-features`"):
        SubjectFeatures.load(path)
    np.savez(path, clip=np.zeros((2, 3)), instance=np.zeros((2, 3)))
    with pytest.raises(UserError, match=r"not features of a subject .* has no clip_text"):
        SubjectFeatures.load(path)
    SubjectFeatures(np.zeros((2, 3)), np.zeros((3, 3)), (), np.zeros((0, 3))).save(path)
    with pytest.raises(UserError, match="unequal lengths"):
        SubjectFeatures.load(path)
    SubjectFeatures(np.zeros((2, 3)), np.zeros((2, 3)), ("a",), np.zeros((2, 3))).save(path)
    with pytest.raises(UserError, match="unequal lengths"):
        SubjectFeatures.load(path)
