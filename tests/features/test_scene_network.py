import numpy as np
import pytest
import torch
from json_files import change_json

from unidad.data.image_set import to_tensor
from unidad.errors import UserError
from unidad.features.scene_network import PARTS, SceneConfig, SceneNetwork, load_scene_network

WORDS = (("cat", "dog"), ("", "in the snow", "on the beach"), ("", "red"), ("", "in a hat"))
CONFIG = SceneConfig("tiny", *WORDS, resolution=16, channels=(4, 6, 8, 8), embedding=5)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = SceneNetwork(CONFIG)
    for parameter in (p for p in network.parameters() if p.ndim > 1):
        torch.nn.init.normal_(parameter, std=0.5)
    return network.eval()


@pytest.fixture
def folder(tmp_path, network):
    network.save(tmp_path / "scenes")
    return tmp_path / "scenes"


def test_embeddings_are_rows_of_unit_length_in_any_batch(network):
    images = np.random.default_rng(0).integers(0, 256, (203, 24, 24, 3), dtype=np.uint8)
    rows = network.embed(images)
    assert (rows.shape, rows.dtype.name) == ((203, 5), "float32")
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(rows[-1:], network.embed(images[-1:]), atol=1e-5)
    assert not np.allclose(rows[0], rows[1], atol=1e-3)


def test_words_are_those_of_the_largest_logits(network, image_set):
    with torch.no_grad():
        _, logits = network(to_tensor(image_set.images))
    found = network.words(image_set.images)
    assert tuple(found) == PARTS
    for part, vocabulary in zip(PARTS, WORDS, strict=True):
        assert found[part] == [vocabulary[number] for number in logits[part].argmax(1)]
    head = network.heads["context"]
    torch.nn.init.zeros_(head.weight)
    head.bias.data = torch.tensor([0.0, 1.0, -1.0])
    assert network.words(image_set.images)["context"] == ["in the snow"] * 6


def test_distance_of_perceptual_rows_is_the_lpips_formula(network, image_set):
    """Sum over layers of the mean over places of |difference of unit vectors|^2."""
    rows = network.perceptual(image_set.images)
    with torch.no_grad():
        maps = [m / m.norm(dim=1, keepdim=True) for m in network.maps(to_tensor(image_set.images))]
    expected = sum((unit[0] - unit[1]).square().sum(0).mean().item() for unit in maps)
    assert len(maps) == 4
    assert (rows[0] - rows[1]).square().sum().item() == pytest.approx(expected, rel=1e-4)


def test_saved_network_comes_back_rounded_to_bfloat16(folder, network, image_set):
    loaded = load_scene_network(folder)
    assert loaded.config == CONFIG
    assert loaded.fingerprint == load_scene_network(folder).fingerprint != network.fingerprint
    assert torch.equal(loaded.instance.weight, network.instance.weight.bfloat16().float())
    rows = [n.embed(image_set.images) for n in (network, loaded)]
    np.testing.assert_allclose(*rows, atol=0.05)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_unreadable_folders_are_named(tmp_path, folder):
    with pytest.raises(UserError, match=r"absent/config\.json: no such file; `unidad train-scene-"):
        load_scene_network(tmp_path / "absent")
    change_json(folder / "config.json", embedding=7)
    with pytest.raises(UserError, match=r"another architecture: 'instance\.weight' is \(5, 32\)"):
        load_scene_network(folder)
    change_json(folder / "config.json", domains=3)
    with pytest.raises(UserError, match="not a feature network's configuration"):
        load_scene_network(folder)


def test_no_images_are_refused(network):
    for method in (network.embed, network.words):
        with pytest.raises(UserError, match="image set is empty"):
            method(np.zeros((0, 16, 16, 3), np.uint8))
