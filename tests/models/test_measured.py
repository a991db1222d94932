import pytest

from unidad.errors import UserError
from unidad.files import write_json
from unidad.models.measured import measured

SUMMARY = {"nfe": 3, "seconds": 12.5}


@pytest.fixture
def content():
    return {
        "run": {"seed": 1, "target": "cats"},
        "samples": 500,
        "extractor": "synthetic-faces",
        "metrics": {
            "frechet_distance": 1.234,
            "best_frechet_distance": 1.1,
            "kernel_distance": 0.00321,
            "category_success": 0.5,
            "recall": None,
        },
        "cost": {"training_seconds": 12.5},
    }


@pytest.fixture
def run(tmp_path, content):
    write_json(tmp_path / "mine/metrics/cats/shots10/uni-dad/seed1/nfe3.json", content)
    return tmp_path / "mine/runs/cats/shots10/uni-dad/seed1"


def test_the_card_has_the_tables_headings_and_what_they_were_measured_with(run):
    text = measured(run, SUMMARY)
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert table == [
        "| metric | value |",
        "| FD (synthetic features) ↓ | 1.23 |",
        "| KD (synthetic features) ×10³ ↓ | 3.21 |",
    ]
    assert "500 images of the float32 weights, 3 network evaluations each, seed 1" in text
    assert "measured with synthetic features" in text
    assert "A distance in them is no FID." in text


def test_only_published_inception_may_be_fid(run, content, tmp_path):
    content["extractor"] = "inception-clean, lpips-vgg"
    write_json(tmp_path / "mine/metrics/cats/shots10/uni-dad/seed1/nfe3.json", content)
    assert "no FID" not in measured(run, SUMMARY)


def test_another_trainings_numbers_are_left_out(run, tmp_path):
    assert measured(run, SUMMARY | {"seconds": 13.0}) == ""
    assert measured(run, SUMMARY | {"nfe": 1}) == ""
    assert measured(tmp_path / "alone", SUMMARY) == ""


def test_a_damaged_file_of_metrics_is_named(run, tmp_path):
    path = tmp_path / "mine/metrics/cats/shots10/uni-dad/seed1/nfe3.json"
    path.write_text("{")
    with pytest.raises(UserError, match=r"nfe3\.json"):
        measured(run, SUMMARY)
