import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import unidad.synthetic.feature_training as feature_training
from unidad.errors import UserError
from unidad.features.feature_network import load_feature_network
from unidad.shipped import SHIPPED_FEATURE_NETWORK
from unidad.synthetic.descent import Making
from unidad.synthetic.faces import ATTRIBUTES, DOMAINS, render
from unidad.synthetic.feature_training import NOISE, damaged, score, train
from unidad.synthetic.recipes import FeatureTraining


def tiny(updates):
    return FeatureTraining(seed=1, updates=updates)


def test_training_writes_a_network_and_its_card_the_same_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_training, "HELD_OUT_IMAGES", 4)
    monkeypatch.setattr(feature_training, "PER_DOMAIN", 2)
    for name in "ab":
        train(tiny(2), Making(tmp_path / name, 16, False, "unidad x"))
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)
    config = load_feature_network(tmp_path / "a").config
    assert (config.domains, config.attributes, config.resolution) == (DOMAINS, ATTRIBUTES, 16)
    card = (tmp_path / "a" / "README.md").read_text()
    weights = (tmp_path / "a" / "model.safetensors").read_bytes()
    for fact in ("`unidad x`", "seed: 1", "updates: 2 of 10", hashlib.sha256(weights).hexdigest()):
        assert fact in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_damage_is_as_strong_as_it_says():
    """On grey, blur changes nothing, so what remains is noise of the stated deviation."""
    x, strengths = damaged(torch.zeros(200, 3, 32, 32), torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.std((1, 2, 3)), NOISE * strengths[:, 0], rtol=0.06, atol=1e-6)
    assert 0.35 < (strengths == 0).float().mean() < 0.65
    assert 0.4 < strengths[strengths > 0].mean() < 0.6


def test_blur_is_gaussian_and_keeps_the_mean():
    """The spread of a blurred point has the variance of the kernel, in both directions."""
    point = torch.zeros(64, 1, 33, 33)
    point[:, :, 16, 16] = 1
    x, strengths = damaged(point, torch.Generator().manual_seed(1))
    x, blur = x[strengths[:, 0] == 0], 1.5 * strengths[strengths[:, 0] == 0, 1]
    places = (torch.arange(33.0) - 16).square()
    strong = blur > 0.7
    assert strong.sum() > 5
    torch.testing.assert_close(x.sum((1, 2, 3)), torch.ones(len(x)), rtol=1e-3, atol=1e-3)
    for side in (2, 3):
        variance = (x.sum((1, side)) * places).sum(1)
        torch.testing.assert_close(variance[strong], blur[strong] ** 2, rtol=0.01, atol=0)


@pytest.mark.parametrize("resolution", [20, 8])
def test_impossible_sizes_are_refused(tmp_path, resolution):
    with pytest.raises(UserError, match="divisible by 8"):
        train(tiny(5), Making(tmp_path / "x", resolution))
    assert not (tmp_path / "x").exists()


@pytest.fixture(scope="module")
def shipped():
    return load_feature_network(SHIPPED_FEATURE_NETWORK)


def test_shipped_network_knows_todays_renderer(shipped):
    """Fails if the renderer changed since the network was trained."""
    assert (shipped.config.domains, shipped.config.attributes) == (DOMAINS, ATTRIBUTES)
    assert (SHIPPED_FEATURE_NETWORK / "model.safetensors").stat().st_size < 4e6
    scores = score(shipped, seed=4242, count=60)
    assert all(scores.accuracy[domain] > 0.95 for domain in DOMAINS[1:])
    assert scores.accuracy["faces"] > 0.75
    assert np.nanmean(list(scores.r2.values())) > 0.6


def test_shipped_network_tells_twins_from_strangers(shipped):
    """The same face a little noisy is nearer than another face, pooled and by LPIPS."""
    images = render("cats", 5, range(20)).images
    noise = np.random.default_rng(0).normal(0, 4, images.shape)
    noisy = (images + noise).clip(0, 255).astype(np.uint8)
    for features in (lambda x: torch.from_numpy(shipped.features(x)["pooled"]), shipped.perceptual):
        distances = torch.cdist(features(noisy), features(images))
        assert distances.argmin(1).tolist() == list(range(20))
