"""A brief run ends where it is expected to: better than its start, near a stored table."""

import csv
from pathlib import Path

import numpy as np
import pytest

from unidad.data.image_set import ImageSet
from unidad.features.feature_network import load_feature_network
from unidad.methods.specs import run_spec
from unidad.metrics.attributes import domain_share
from unidad.metrics.frechet import frechet_distance
from unidad.pipeline import UnidadPipeline
from unidad.shipped import SHIPPED_FEATURE_NETWORK, SHIPPED_SOURCE_TEACHER
from unidad.synthetic.faces import render
from unidad.training.run import train

TABLE = Path(__file__).parent / "expected/unidad_babies.csv"
IMAGES = 200
DIFFUSION = {"spacing": "lognormal", "student_sigma_max": 20, "student_sigma_min": 0.125}
RESOLUTION = 64
VARIANT = {
    "method": "unidad",
    "nfe": 3,
    "dmd_target_share": 0.5,
    "training": {
        "student_updates": 30,
        "batch_size": 8,
        "learning_rate": 2e-4,
        "warmup_updates": 5,
        "decay_updates": 6,
        "ema_decay": 0.9,
        "checkpoint_every": 30,
        "sample_every": 0,
        "trackers": (),
    },
    "distillation": {
        "fake_score_updates_per_student_update": 3,
        "fake_score_learning_rate": 4e-4,
        "gan_gradient_ratio": 1.0,
    },
}


@pytest.fixture(scope="module")
def start() -> UnidadPipeline:
    """The source teacher, drawing as the student does."""
    asked = {"sampler": "few_step", "nfe": 3, "diffusion": DIFFUSION}
    return UnidadPipeline.from_pretrained(SHIPPED_SOURCE_TEACHER, **asked)


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> UnidadPipeline:
    """Uni-DAD on ten babies, 30 updates: a minute on one core."""
    folder = tmp_path_factory.mktemp("expected")
    ImageSet(render("babies", 0, range(10), RESOLUTION).images).save(folder / "babies.npz")
    model = str(SHIPPED_SOURCE_TEACHER)
    spec = {
        **{"target": "babies", "shots": 10, "label": "Uni-DAD", "seed": 0},
        **{"student": model, "teacher": model, "resolution": RESOLUTION, "network": {}},
        **{"data": str(folder / "babies.npz"), "diffusion": DIFFUSION, "variant": VARIANT},
    }
    train(run_spec(spec, "specification"), folder / "run", progress=False)
    return UnidadPipeline.from_pretrained(folder / "run/model")


@pytest.fixture(scope="module")
def measured(start, student) -> dict[str, dict[str, float]]:
    """Which model → metric → value, against other babies than those it was trained on."""
    network = load_feature_network(SHIPPED_FEATURE_NETWORK)
    babies = network.domains.index("babies")
    reference = network.features(render("babies", 1, range(IMAGES), RESOLUTION).images)

    def metrics(pipeline: UnidadPipeline) -> dict[str, float]:
        images = pipeline(batch_size=IMAGES, seed=0, output_type="np").images
        features = network.features(np.asarray(images))
        return {
            "frechet_distance": frechet_distance(features["pooled"], reference["pooled"]),
            "domain_share": domain_share(features["domain"], babies),
        }

    return {"start": metrics(start), "student": metrics(student)}


def expected() -> list[dict[str, str]]:
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


@pytest.mark.slow
def test_the_student_is_far_better_than_its_start(measured):
    start, student = measured["start"], measured["student"]
    assert student["frechet_distance"] < start["frechet_distance"] / 5
    assert student["domain_share"] > start["domain_share"] + 0.5


@pytest.mark.slow
@pytest.mark.parametrize("row", expected(), ids=lambda row: f"{row['model']}-{row['metric']}")
def test_within_the_tolerance_of_the_stored_table(measured, row):
    found = measured[row["model"]][row["metric"]]
    assert found == pytest.approx(float(row["value"]), abs=float(row["tolerance"]))
