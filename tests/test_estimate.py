"""Hours and bytes of an experiment, added up by hand."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from unidad.estimate import describe, estimate, model_bytes
from unidad.experiment.load import parse_config
from unidad.plan import Plan
from unidad.rates import OWN, Rate, read_rates

PARAMETERS = 1000
MODEL = 4 * PARAMETERS


@pytest.fixture
def teacher(tmp_path):
    (tmp_path / "teacher/unet").mkdir(parents=True)
    weights = {"a": np.zeros((10, 90), np.float16), "b": np.zeros(100, np.float32)}
    save_file(weights, tmp_path / "teacher/unet/weights.safetensors")
    return str(tmp_path / "teacher")


@pytest.fixture
def plan(teacher):
    """Two targets: FT alone, then Uni-DAD with two snapshots, which also trains a teacher."""
    training = {"student_updates": 3600, "batch_size": 2, "ema_decay": 0}
    raw = {
        "experiment": "x",
        "resolution": 64,
        "source_teacher": teacher,
        "feature_network": "published",
        "targets": {"a": {"folder": "a"}, "b": {"folder": "b"}},
        "training": training,
        "variants": {
            "FT": {"method": "finetune", "nfe": 25},
            "U": {"method": "unidad", "nfe": 3, "training": {"snapshots": 2, "ema_decay": 0.9}},
        },
        "evaluation": {"samples": 100, "batch_size": 10, "source_nfe": 20},
    }
    return Plan(parse_config(raw, "c"))


RATES = """method,resolution,batch_size,seconds,device
finetune,64,2,0.5,ours
finetune,64,8,9,ours
unidad,64,2,2,ours
sampling,64,10,0.36,ours
"""


@pytest.fixture
def rates(tmp_path):
    (tmp_path / "rates.csv").write_text(RATES)
    return tmp_path / "rates.csv"


def test_hours(plan, rates):
    """3600 updates at 0.5 s are half an hour; the source teacher is drawn once for both targets."""
    found = estimate(plan, read_rates(rates))
    assert found.training == pytest.approx(2 * (0.5 + 2))
    evaluations = 100 * 20 + 2 * (100 * 25 + 100 * 3 + 2 * 100 * 3)
    assert found.drawing == pytest.approx(evaluations * 0.36 / 3600)
    assert found.unknown == set()
    assert describe(found, rates)[:2] == [
        "GPU hours: about 5.9: training 5.0, drawing 0.9",
        f"rates: finetune, sampling, unidad from {rates} (ours)",
    ]


def test_bytes(plan):
    """Seven image sets; a checkpoint of three networks with their moments, and the average."""
    found = estimate(plan, {})
    assert found.images == 7 * 100 * (3 * 64 * 64 + 4 * 2048)
    assert found.models == MODEL * (1 + 2 * 1 + 2 * 3)
    assert found.checkpoints == 2 * MODEL * (3 * 3 + 1)
    assert found.disk == found.images + found.models + found.checkpoints


def test_what_is_not_known_is_said(plan, rates):
    found = estimate(plan, {("finetune", 64, 2): Rate(0.5, OWN)})
    assert found.unknown == {"unidad", "sampling"}
    assert describe(found, rates)[:2] == [
        "GPU hours: at least 1.0; no rate of sampling, unidad at this size, neither in "
        f"{rates} nor from a finished run",
        "rates: finetune from this experiment's finished runs",
    ]
    nothing = estimate(plan, {})
    hours, disk = describe(nothing, rates)
    assert hours.startswith("GPU hours: unknown; no rate of finetune, ")
    assert disk.startswith("disk: ")
    elsewhere = Plan(plan.config.model_copy(update={"source_teacher": "absent.pt"}))
    found = estimate(elsewhere, {})
    assert (found.models, found.checkpoints, found.disk) == (None, None, found.images)
    assert "models unknown: the source teacher is not here" in describe(found, rates)[1]


def test_source_images_count_where_they_are_used(plan):
    variants = dict(plan.config.variants)
    variants["U"] = variants["U"].model_copy(update={"domain": "source"})
    source = plan.config.source.model_copy(update={"folder": "faces", "images": 5000})
    config = plan.config.model_copy(update={"variants": variants, "source": source})
    with_source = estimate(Plan(config), {}).images
    sets = len({row.images for row in Plan(config).rows()})
    assert with_source == sets * 100 * (3 * 64**2 + 4 * 2048) + 5000 * 3 * 64**2


def test_model_bytes(teacher, tmp_path):
    assert model_bytes(Path(teacher)) == MODEL
    (tmp_path / "a.pt").write_bytes(bytes(77))
    assert model_bytes(tmp_path / "a.pt") == 77
    (tmp_path / "b.safetensors").write_bytes(b"no safetensors")
    assert model_bytes(tmp_path / "b.safetensors") is None
    assert model_bytes(tmp_path / "nothing") is None
