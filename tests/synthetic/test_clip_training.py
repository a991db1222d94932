import hashlib
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import unidad.synthetic.clip_training as clip_training
from unidad.features.clip import load_clip
from unidad.synthetic.clip_training import distinct_batches, mirrored, train, twins
from unidad.synthetic.descent import Making
from unidad.synthetic.recipes import ClipTraining
from unidad.synthetic.scenes import LIVE, source_scenes


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, value in {
        "WIDTH": 16,
        "VISION_LAYERS": 1,
        "TEXT_LAYERS": 1,
        "HELD_OUT_SCENES": 50,
    }.items():
        monkeypatch.setattr(clip_training, name, value)


def tiny(updates, batch_size, seed=0, patch_size=8):
    sizes = {"updates": updates, "batch_size": batch_size, "patch_size": patch_size}
    return ClipTraining(seed=seed, scenes=12, **sizes)


def test_training_writes_a_clip_and_its_card_the_same_each_time(tmp_path):
    settings = tiny(2, 8, seed=1, patch_size=16)
    rows = [train(settings, Making(tmp_path / n, 32, False, "unidad x")) for n in "ab"]
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert rows[0] == rows[1]
    card = (tmp_path / "a" / "README.md").read_text()
    weights = (tmp_path / "a" / "model.safetensors").read_bytes()
    facts = (
        "`unidad x`",
        "seed: 1",
        "updates: 2 of up to 8 of 24",
        "side of a patch: 16",
        "| any | 50 |",
    )
    for fact in (*facts, hashlib.sha256(weights).hexdigest()):
        assert fact in card
    assert load_clip(tmp_path / "a").model.config.vision_config.patch_size == 16
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_training_learns_its_scenes(tmp_path, monkeypatch):
    """Of 24 scenes it has seen 80 times, nearly each finds its own caption among all."""
    monkeypatch.setattr(clip_training, "DESCENT", replace(clip_training.DESCENT, rate=5e-3))
    train(tiny(80, 24), Making(tmp_path / "clip", progress=False))
    clip = load_clip(tmp_path / "clip")
    pool = clip_training.render_pool(tiny(80, 24), 32, clip.tokenizer, np.random.default_rng(0))
    scenes = source_scenes(clip_training.SERIES, range(12))
    captions = scenes.captions() + twins(scenes, np.random.default_rng(0)).captions()
    nearest = (clip.images(pool.images) @ clip.texts(captions).T).argmax(1)
    assert np.mean([captions[n] == said for n, said in zip(nearest, captions, strict=True)]) > 0.8


def test_another_seed_is_another_clip(tmp_path):
    for seed in (0, 1):
        train(tiny(1, 4, seed), Making(tmp_path / str(seed), progress=False))
    assert load_clip(tmp_path / "0").fingerprint != load_clip(tmp_path / "1").fingerprint


def test_twins_differ_in_one_part_and_look_alike_otherwise():
    scenes = source_scenes(3, range(300))
    others = twins(scenes, np.random.default_rng(0))
    parts = ("category", "context", "property", "accessory")
    differ = np.array([scenes.words(part) != others.words(part) for part in parts])
    assert (differ.sum(0) == 1).all()
    assert (differ.sum(1) > [60, 60, 60, 5]).all()
    assert set(others.words("category")[others.words("accessory") != ""]) <= set(LIVE)
    assert others.values is scenes.values


def test_a_batch_holds_no_caption_twice_and_a_pass_every_pair():
    """Captions 1 and 9 stand for the same words; twins are 4 rows apart."""
    captions = np.array([0, 1, 2, 3, 4, 1, 6, 7])
    batches = distinct_batches(captions, 4, np.random.default_rng(0))
    for _ in range(5):
        batch, other = itertools.islice(batches, 2)
        rows = np.concatenate([batch, other])
        assert len(set(captions[batch])) == len(batch) <= 4
        assert {row % 4 for row in batch}.isdisjoint({row % 4 for row in other})
        assert set(captions[rows]) == set(captions)
        together = any({1, 5} == set(rows.tolist()) & {1, 5} for rows in (batch, other))
        assert not together


def test_half_of_the_images_are_mirrored():
    x = torch.arange(600.0).view(200, 1, 1, 3)
    flipped = mirrored(x, np.random.default_rng(0))
    same = (flipped == x).all((1, 2, 3))
    assert 70 < same.sum() < 130
    assert torch.equal(flipped[~same], x[~same].flip(3))
