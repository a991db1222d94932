"""The verbs that measure a subject, one after the other, as the workflow calls them."""

import json

import numpy as np
import pytest
from measuring import PLAIN, PROMPTS

from unidad.cli import main
from unidad.features.features import Features
from unidad.provenance import commit, machine
from unidad.tasks.evaluate import evaluate_row


def call(*arguments) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def extract(tmp_path, saved_clip, encoder_folder):
    """Features of an image set's file through the verb."""
    networks = ("--network", saved_clip, "--network", encoder_folder)

    def run(images: str, *options) -> Features:
        out = tmp_path / "f.npz"
        assert call("features", images, *networks, "--out", out, *options) == 0
        return Features.load(out)

    return run


def test_features_of_captions_and_of_settings(subject_row, features, tmp_path, extract):
    found = extract(subject_row["images"])
    assert list(found.texts) == PLAIN
    for name, rows in features["samples"].rows.items():
        assert np.array_equal(found[name], rows)
    assert np.array_equal(found.text(PLAIN), features["samples"].text(PLAIN))
    (tmp_path / "grid.json").write_text(json.dumps({"prompts": PROMPTS[:2], "seed": 3}))
    photos = extract(subject_row["training_images"], "--settings", tmp_path / "grid.json")
    assert list(photos.texts) == ["a cat", *PLAIN[:2]]
    assert extract(subject_row["reference_images"]).texts == {}


def test_another_rare_token(subject_row, extract):
    found = extract(subject_row["images"], "--rare-token", "cat")
    assert list(found.texts) == ["a red prt", "a prt in the snow", "a prt wearing pink glasses"]


def test_the_rare_token_is_kept_beside(subject_row, extract):
    found = extract(subject_row["images"], "--keep-token")
    assert list(found.texts) == [*PLAIN, *PROMPTS]


def test_evaluate_measures_rows_with_prompts(subject_row, tmp_path):
    (tmp_path / "row.json").write_text(json.dumps(subject_row))
    assert call("evaluate", tmp_path / "row.json", "--out", tmp_path / "m.json", "--quiet") == 0
    written = json.loads((tmp_path / "m.json").read_text())
    assert written.pop("commit") == commit()
    assert written.pop("machine") == machine()
    assert written == evaluate_row(subject_row, progress=False)
