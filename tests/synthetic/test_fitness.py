import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import unidad.synthetic.fitness as fitness_module
from unidad.errors import UserError
from unidad.features.feature_network import load_feature_network
from unidad.shipped import SHIPPED_FEATURE_NETWORK
from unidad.synthetic.fitness import (
    COLUMNS,
    STRENGTHS,
    UNDAMAGED,
    damaged_set,
    fitness,
    markdown,
    write_fitness,
)

DOCS = Path(__file__).parents[2] / "docs"
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
SOURCE = 255 - IMAGES


def published() -> list[dict]:
    with open(DOCS / "feature_fitness.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = ("strength", "frechet_distance", "grain")
    return [row | {name: float(row[name]) for name in numbers} for row in rows]


def distances(rows: list[dict]) -> dict[str, list[float]]:
    return {
        damage: [row["frechet_distance"] for row in rows if row["damage"] == damage]
        for damage in (UNDAMAGED, *STRENGTHS)
    }


def test_damage_is_what_its_name_says():
    assert np.array_equal(damaged_set(IMAGES, SOURCE, UNDAMAGED, 0), IMAGES)
    mixed = damaged_set(IMAGES, SOURCE, "source images", 0.25)
    assert np.array_equal(mixed[:5], SOURCE[:5])
    assert np.array_equal(mixed[5:], IMAGES[5:])
    copies = damaged_set(IMAGES, SOURCE, "duplicates", 10)
    assert np.array_equal(copies, np.tile(IMAGES[:2], (10, 1, 1, 1)))
    grey = np.full((50, 32, 32, 3), 128, np.uint8)
    noise = damaged_set(grey, grey, "noise", 0.1).astype(float) - 128
    assert noise.std() == pytest.approx(25.5, rel=0.02)
    point = np.zeros((1, 17, 17, 3), np.uint8)
    point[0, 8, 8] = 255
    blurred = damaged_set(point, point, "blur", 1.0)
    assert blurred[0, 8, 8].tolist() == [41] * 3
    assert blurred.dtype == np.uint8


def test_published_distances_grow_from_next_to_nothing():
    """The table in docs/, of 5000 against 5000 images."""
    published_distances = distances(published())
    floor = published_distances.pop(UNDAMAGED)[0]
    for damage, values in published_distances.items():
        assert len(values) == len(STRENGTHS[damage])
        assert floor < values[0], damage
        assert all(a < b for a, b in pairwise(values)), damage
        assert floor < 0.02 * values[-1], damage


def test_documentation_shows_the_published_table():
    text = markdown(published())
    assert text in (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert text == (DOCS / "feature_fitness.md").read_text(encoding="utf-8")


def test_small_run_writes_table_and_plot(tmp_path, monkeypatch):
    """Two damages at two strengths, on 100 images of today's renderer."""
    few = {"noise": (0.1, 0.3), "duplicates": (10, 50)}
    monkeypatch.setattr(fitness_module, "STRENGTHS", few)
    network = load_feature_network(SHIPPED_FEATURE_NETWORK)
    rows = write_fitness(network, tmp_path, images=100, progress=False)
    assert [(row["damage"], row["strength"]) for row in rows] == [
        *(("none", 0.0), ("noise", 0.1), ("noise", 0.3), ("duplicates", 10), ("duplicates", 50))
    ]
    found = [row["frechet_distance"] for row in rows]
    assert found[0] < found[1] < found[2]
    assert found[0] < found[3] < found[4]
    lines = (tmp_path / "feature_fitness.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[1] == f"none,0.0,,{found[0]},{rows[0]['grain']}"
    assert rows[0]["grain"] == pytest.approx(1, abs=0.2)
    assert rows[1]["grain"] > 5
    picture = imread(tmp_path / "figures" / "feature_fitness.png")
    assert picture.shape[1] > picture.shape[0] > 300
    assert picture.std() > 0.05


def test_too_few_images_are_refused():
    with pytest.raises(UserError, match="too few; take at least 1000"):
        fitness(None, images=999)
