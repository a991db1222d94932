import hashlib
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import unidad.synthetic.scene_fitness as scene_fitness
import unidad.synthetic.scene_training as scene_training
from unidad.errors import UserError
from unidad.features.scene_network import PARTS, SceneConfig, load_scene_network
from unidad.synthetic.descent import Making
from unidad.synthetic.recipes import SceneNetworkTraining
from unidad.synthetic.scene_training import (
    contrastive_loss,
    draw_batch,
    render_pool,
    train,
)
from unidad.synthetic.scenes import CATEGORIES, SUBJECTS, instance_scenes, render, training_photos
from unidad.synthetic.scenes.attributes import APPEARANCE

SMALL = {
    "VIEWS": 3,
    "CATEGORIES_PER_BATCH": 2,
    "INSTANCES_PER_CATEGORY": 3,
    "VIEWS_PER_INSTANCE": 2,
}


def tiny(seed, updates=1):
    return SceneNetworkTraining(seed=seed, updates=updates, instances=400)


@pytest.fixture
def small(monkeypatch):
    for name, number in SMALL.items():
        monkeypatch.setattr(scene_training, name, number)
    monkeypatch.setattr(scene_fitness, "PICTURES_PER_PROMPT", 1)
    monkeypatch.setattr(scene_fitness, "SOURCE_SCENES", 500)
    cats = {name: subject for name, subject in SUBJECTS.items() if subject.category == "cat"}
    monkeypatch.setattr(scene_fitness, "SUBJECTS", cats)


def test_contrastive_loss_by_hand():
    """Two pairs at right angles; then three alike, of which one lies with a stranger."""
    east, north = [1.0, 0.0], [0.0, 1.0]
    pairs = contrastive_loss(
        torch.tensor([east, east, north, north]), torch.tensor([5, 5, 2, 2]), 0.5
    )
    assert pairs.item() == pytest.approx(math.log(1 + 2 * math.exp(-2)))
    odd = contrastive_loss(torch.tensor([east, north, east, north]), torch.tensor([0, 0, 0, 1]), 1)
    assert odd.item() == pytest.approx(math.log(2 + math.e) - 1 / 3)


def test_gradient_draws_alike_together_even_from_one_point():
    rows = torch.zeros(4, 3, requires_grad=True)
    contrastive_loss(rows, torch.tensor([0, 0, 1, 1])).backward()
    assert torch.isfinite(rows.grad).all()
    rows = torch.eye(4, requires_grad=True)
    contrastive_loss(rows, torch.tensor([0, 0, 1, 1])).backward()
    assert rows.grad[0, 1] < 0 < rows.grad[0, 2]


def test_pool_holds_the_pictures_and_their_words(small):
    vocabulary = (CATEGORIES, ("", *scene_training.CONTEXTS), ("", *scene_training.PROPERTIES))
    config = SceneConfig("tiny", *vocabulary, ("", *scene_training.ACCESSORIES), 16)
    pool = render_pool(config, tiny(3), progress=False)
    scenes = instance_scenes(3, range(400), 3)
    assert pool.images.shape == (400, 3, 16, 16, 3)
    np.testing.assert_array_equal(pool.images[110, 2], render(scenes[np.array([332])], 16)[0])
    for part in PARTS:
        words = np.array(getattr(config, part))[pool.words[part].ravel()]
        assert words.tolist() == scenes.words(part).tolist()
    said = [scene.property in ("red", "purple") for scene in scenes.descriptions]
    assert pool.recoloured.ravel().tolist() == said
    assert 20 < sum(said) < 300


def test_batch_shows_several_instances_of_a_class_in_several_pictures(small):
    category = np.arange(120)[:, None].repeat(3, 1) % 5
    pool = scene_training.Pool(None, {"category": category}, None)
    instances, views = draw_batch(pool, np.random.default_rng(0))
    assert instances.shape == views.shape == (12,)
    assert len(set(zip(instances, views, strict=True))) == 12
    _, counts = np.unique(instances, return_counts=True)
    assert counts.tolist() == [2] * 6
    _, counts = np.unique(category[instances, 0], return_counts=True)
    assert counts.tolist() == [6, 6]


def test_training_writes_a_network_and_its_card_the_same_each_time(small, tmp_path):
    for name in "ab":
        train(tiny(1, 2), Making(tmp_path / name, 16, False, "unidad x"))
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)
    config = load_scene_network(tmp_path / "a").config
    assert (config.category, config.context[:2]) == (CATEGORIES, ("", "in the jungle"))
    card = (tmp_path / "a" / "README.md").read_text()
    digest = hashlib.sha256((tmp_path / "a" / "model.safetensors").read_bytes()).hexdigest()
    for fact in ("`unidad x`", "seed: 1", "updates: 2, each on 12 pictures", digest, "| cat2 |"):
        assert fact in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_contrast_leaves_recoloured_pictures_out(small, tmp_path, monkeypatch):
    seen = []
    original = scene_training.contrastive_loss

    def watched(embeddings, labels):
        seen.append(len(labels))
        return original(embeddings, labels)

    monkeypatch.setattr(scene_training, "contrastive_loss", watched)
    monkeypatch.setattr(scene_training, "RECOLOURED", scene_training.PROPERTIES)
    train(tiny(1, 6), Making(tmp_path / "a", 16, False))
    assert max(seen) <= 12
    assert 6 * 12 * 0.5 < sum(seen) < 6 * 12 * 0.9


def test_no_named_subject_is_a_training_instance():
    shipped = SceneNetworkTraining()
    training = instance_scenes(shipped.seed, range(shipped.instances), 1).values
    known = np.stack([training[name] for name in APPEARANCE], 1)
    for subject in SUBJECTS:
        values = training_photos(subject).values
        itself = np.array([values[name][0] for name in APPEARANCE])
        assert np.abs(known - itself).max(1).min() > 0.01


def test_an_impossible_resolution_is_refused(tmp_path):
    with pytest.raises(UserError, match="resolution 20 is not a multiple of 16"):
        train(tiny(1), Making(tmp_path / "x", 20))
    assert not (tmp_path / "x").exists()
