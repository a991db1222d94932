import csv
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import unidad.synthetic.scene_fitness as scene_fitness
from unidad.features.scene_network import load_scene_network
from unidad.shipped import SHIPPED_SCENE_NETWORK
from unidad.synthetic.scene_fitness import (
    ALL,
    HIDDEN,
    KEPT,
    LOOK_ALIKES,
    OTHERS,
    OWN,
    SUBJECT_COLUMNS,
    WORD_COLUMNS,
    Fitness,
    colour_table,
    markdown,
    roc_auc,
    subject_rows,
    subject_table,
    word_rows,
    word_table,
    write_fitness,
)
from unidad.synthetic.scenes import SUBJECTS, Description, source_scenes
from unidad.synthetic.scenes.attributes import APPEARANCE

DOCS = Path(__file__).parents[2] / "docs"


def test_roc_auc_counts_pairs_and_half_of_ties():
    assert roc_auc(np.array([3.0, 2.0]), np.array([1.0, 2.0])) == 3.5 / 4
    assert roc_auc(np.array([0.0]), np.array([1.0, 2.0, 3.0])) == 0


def test_similarity_is_the_mean_cosine_to_the_photos():
    photos = np.array([[1.0, 0.0], [0.6, 0.8]])
    pictures = {
        OWN: np.array([[1.0, 0.0], [0.0, 1.0]]),
        LOOK_ALIKES: np.array([[0.8, 0.6], [-1.0, 0.0]]),
    }
    own, alike = subject_rows("cat", ALL, photos, pictures)
    assert tuple(own) == SUBJECT_COLUMNS
    assert tuple(own.values()) == ("cat", ALL, OWN, 0.6, 0.42, 0.78, None)
    assert (alike["mean"], alike["roc_auc"]) == (pytest.approx(0.04), 0.5)


def test_words_are_counted_and_objects_wear_nothing():
    truth = [
        Description("cat", "in the snow", "", "in a chef outfit"),
        Description("cat", "", "red"),
        Description("vase", "in the snow"),
    ]
    found = {
        "category": ["cat", "dog", "vase"],
        "context": ["in the snow", "", "in the jungle"],
        "property": ["", "red", "wet"],
        "accessory": ["", "", "in a chef outfit"],
    }
    rows = word_rows(truth, found)
    assert all(tuple(row) == WORD_COLUMNS for row in rows)
    assert [tuple(row.values()) for row in rows] == [
        ("category", "cat", 2, 0.5),
        ("category", "vase", 1, 1.0),
        ("context", "", 1, 1.0),
        ("context", "in the snow", 2, 0.5),
        ("property", "", 2, 0.5),
        ("property", "red", 1, 1.0),
        ("accessory", "", 1, 1.0),
        ("accessory", "in a chef outfit", 1, 0.0),
    ]
    assert "| accessory | 2 | 0.500 | in a chef outfit: 0.000 |" in word_table(rows)


def test_pictures_of_a_subject_and_of_look_alikes_answer_the_same_prompts():
    groups = scene_fitness._pictures("cat", source_scenes(77, range(4000)))
    assert list(groups) == [OWN, LOOK_ALIKES, "cat2"]
    own, alike, sibling = groups.values()
    assert own.descriptions == alike.descriptions == sibling.descriptions
    assert len(own) == 25 * scene_fitness.PICTURES_PER_PROMPT
    assert {scene.category for scene in alike.descriptions} == {"cat"}
    assert len(set(own.descriptions)) == 25
    looks = [np.stack([g.values[n] for n in APPEARANCE], 1) for g in (own, alike, sibling)]
    assert [len(np.unique(look, axis=0)) for look in looks] == [1, len(own), 1]
    assert not (looks[0][0] == looks[2][0]).all()


def published() -> Fitness:
    tables = []
    for name in ("scene_fitness", "scene_fitness_words"):
        with open(DOCS / f"{name}.csv", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    texts = ("subject", "prompts", "part", "word")
    return Fitness(*([_numbers(row, texts) for row in table] for table in tables), "")


def _numbers(row, texts):
    def read(name, value):
        if name in texts or (name == "pictures" and not value.isdigit()):
            return value
        return float(value) if "." in value else int(value) if value else None

    return {name: read(name, value) for name, value in row.items()}


def test_documentation_is_the_published_tables():
    assert markdown(published()) == (DOCS / "scene_fitness.md").read_text(encoding="utf-8")


def test_every_subject_is_told_from_look_alikes_and_others():
    rows = published().subjects
    assert list(dict.fromkeys(row["subject"] for row in rows)) == list(SUBJECTS)
    for row in rows:
        if row["pictures"] == OWN:
            own = row["mean"]
        elif row["prompts"] != HIDDEN:
            assert row["roc_auc"] > (0.98 if row["prompts"] == KEPT else 0.93), row
            assert row["mean"] < own - 0.2, row


def test_only_recoloured_pictures_of_a_subject_are_hard_to_know():
    """What the documentation says of the prompts that hide colours."""
    own = {
        prompts: [
            row["mean"]
            for row in published().subjects
            if (row["prompts"], row["pictures"]) == (prompts, OWN)
        ]
        for prompts in (KEPT, HIDDEN, ALL)
    }
    assert min(own[KEPT]) > 0.85 > 0.7 > max(own[HIDDEN])
    weighted = (23 * np.array(own[KEPT]) + 2 * np.array(own[HIDDEN])) / 25
    np.testing.assert_allclose(weighted, own[ALL], atol=2e-4)


def test_small_run_writes_tables_and_plot(tmp_path, monkeypatch):
    """The shipped network on today's renderer: one picture for each prompt."""
    monkeypatch.setattr(scene_fitness, "PICTURES_PER_PROMPT", 1)
    monkeypatch.setattr(scene_fitness, "SOURCE_SCENES", 700)
    network = load_scene_network(SHIPPED_SCENE_NETWORK)
    found = write_fitness(network, tmp_path, progress=False)
    shares = {
        row["pictures"]: row["roc_auc"]
        for row in found.subjects
        if (row["subject"], row["prompts"]) == ("cat", ALL)
    }
    assert min(shares[LOOK_ALIKES], shares[OTHERS], shares["cat2"]) > 0.9
    own = {row["prompts"]: row["mean"] for row in found.subjects if row["pictures"] == OWN}
    assert own[KEPT] > own[ALL] > own[HIDDEN]
    counts = {}
    for row in found.words:
        right, total = counts.get(row["part"], (0, 0))
        counts[row["part"]] = right + row["pictures"] * row["recognised"], total + row["pictures"]
    assert counts["category"][1] == 700 > counts["accessory"][1]
    assert all(right / total > 0.9 for right, total in counts.values())
    with open(tmp_path / "scene_fitness.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(found.subjects) == 7 * 11 + 4
    page = (tmp_path / "scene_fitness.md").read_text()
    assert subject_table(found.subjects) in page
    assert colour_table(found.subjects) in page
    picture = imread(tmp_path / "figures" / "scene_fitness.png")
    assert picture.shape[1] > picture.shape[0] > 300
    assert picture.std() > 0.05
