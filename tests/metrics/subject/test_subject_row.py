import json

import pytest
from subject_fakes import PROMPTS

from unidad.errors import UserError
from unidad.features.scene_network import load_scene_network
from unidad.metrics.row import row_cost
from unidad.metrics.subject.evaluate import drawn_answers, evaluate_subject, photo_answers
from unidad.metrics.subject.row import evaluate_subject_row


def test_a_row_is_what_it_names_measured(subject_row, encoder_folder, sets, features):
    encoder = load_scene_network(encoder_folder)
    expected = evaluate_subject(
        sets["samples"],
        features["samples"],
        sets["photos"],
        features["photos"],
        encoder,
        drawn_answers(sets["samples"], "prt"),
        sets["reference"],
        grammar=True,
        progress=False,
    )
    found = evaluate_subject_row(subject_row, progress=False)
    assert list(found) == ["run", "samples", "extractor", "metrics", "cost", "trajectory"]
    assert (found["run"], found["samples"]) == (subject_row["run"], 6)
    assert (found["extractor"], found["trajectory"]) == ("synthetic", [])
    assert found["metrics"] == expected
    assert found["metrics"]["prompt_success"] is not None
    assert found["cost"] == row_cost(1, subject_row["sampling"], subject_row["training"])
    assert json.loads(json.dumps(found)) == found


def test_the_photos_themselves_are_a_row(subject_row, encoder_folder, sets, features):
    photos = features["photos"]
    expected = evaluate_subject(
        sets["photos"],
        photos,
        sets["photos"],
        photos,
        load_scene_network(encoder_folder),
        photo_answers(3, PROMPTS, "prt"),
        sets["reference"],
        are_photos=True,
        grammar=True,
        progress=False,
    )
    row = subject_row | {
        "images": subject_row["training_images"],
        "features": subject_row["training_features"],
        **{"sampling": None, "training": []},
    }
    found = evaluate_subject_row(row, progress=False)
    assert found["metrics"] == expected
    assert found["samples"] == 3


def test_the_protocol_decides_about_negative_cosines(subject_row):
    plain, clamped = (
        evaluate_subject_row(subject_row | {"protocol": name}, progress=False)
        for name in ("synthetic", "echodistill")
    )
    assert plain["metrics"]["clip_t"] < clamped["metrics"]["clip_t"]
    assert clamped["extractor"] == "echodistill"


def test_a_subject_of_ones_own_has_neither_grammar_nor_reference(subject_row):
    row = subject_row | {"grammar": False, "reference_images": None}
    metrics = evaluate_subject_row(row, progress=False)["metrics"]
    known = {name for name, value in metrics.items() if value is not None}
    assert known == {"clip_i", "instance_similarity", "clip_t", "intra_lpips", "inter_lpips"}


@pytest.mark.parametrize(
    "key",
    [
        *("run", "images", "features", "training_images", "training_features", "encoder"),
        *("reference_images", "rare_token", "grammar", "protocol", "sampling", "training"),
    ],
)
def test_a_missing_key_is_named(subject_row, key):
    del subject_row[key]
    with pytest.raises(UserError, match=f"row specification: key '{key}' is missing"):
        evaluate_subject_row(subject_row, progress=False)


@pytest.mark.parametrize("key", ["images", "features", "encoder", "sampling"])
def test_a_missing_file_is_named(subject_row, key):
    with pytest.raises(UserError, match=r"nowhere.*: no such"):
        evaluate_subject_row(subject_row | {key: "nowhere"}, progress=False)
