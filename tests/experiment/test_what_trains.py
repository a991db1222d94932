"""Of every key of the schema: does it change a training's specification, or only measure?"""

import json
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from unidad.config.section import merged
from unidad.experiment.config import Config
from unidad.experiment.load import parse_config
from unidad.experiment.reference import keys
from unidad.plan import Plan

ROOT = Path(__file__).parents[2]
SCHEMA = Config.model_json_schema()
KEYS = dict(keys(SCHEMA, SCHEMA, ""))
GENERATION = {
    "targets": {"near": {"domain": "babies", "near": True}},
    "variants": {
        "finetune": {"method": "finetune", "nfe": 25},
        "dmd2": {"method": "dmd2", "nfe": 3},
        "unidad": {"method": "unidad", "nfe": 3},
        "consistency": {"method": "consistency", "nfe": 3},
        "sfddm": {"method": "sfddm", "nfe": 3},
    },
}
PERSONALISATION = {
    "targets": {"cat": {"subject": "cat"}},
    "variants": {
        "finetune": {"method": "finetune", "nfe": 25},
        "echodistill": {"method": "echodistill", "nfe": 1, "features": {"clip": "shipped"}},
    },
    "personalisation": {"prior": {"images": 9}, "lora": {"rank": 4}},
    "training": {"student_updates": 330, "snapshots": 2},
}

NEVER = [
    "feature_network",
    "evaluation.*",
    "intra_lpips.*",
    "published_features.*",
    "training.checkpoint_every",
    "training.sample_every",
    "training.log_every",
    "training.trackers",
    "network.*",
    "variants.<*>.extra_nfe",
    "variants.<finetune>.nfe",
    "variants.<consistency>.nfe",
    "personalisation.protocol",
    "personalisation.prompts",
    "personalisation.images_per_prompt",
    "personalisation.clip_t_prompt",
    "personalisation.measured_*",
]
"""What measures, logs or draws, or makes a source teacher that is shipped."""
TRACKED = {"variants": {"dmd2": {"method": "dmd2", "nfe": 1, "student": "source_student"}}}
ONLY_SOMETIMES = {
    "distillation.gan_student_weight": {"distillation": {"gan_gradient_ratio": None}},
    "distillation.gan_penalty_weight": {"distillation": {"gan_loss": "wgan-gp"}},
    "distillation.gan_lsgan_on": {"distillation": {"gan_loss": "lsgan"}},
    "distillation.gan_single_head": {"distillation": {"heads": "single"}},
    "personalisation.fake_score_weights": TRACKED,
    "personalisation.fake_score_prefix": TRACKED
    | {"personalisation": {"fake_score_weights": "x.bin"}},
    "diffusion.rho": {"diffusion": {"spacing": "karras"}},
    "diffusion.lognormal_mean": {"diffusion": {"spacing": "lognormal"}},
    "diffusion.lognormal_std": {"diffusion": {"spacing": "lognormal"}},
    "variants.<unidad>.far_target_share": {"targets": {"near": {"near": False}}},
    "variants.<unidad>.near_target_share": {},
    "variants.<echodistill>.echo_updates": {"variants": {"echodistill": {"echo_rounds": 1}}},
}
"""Keys that count where others say so."""
THROUGH_FILES = [
    "experiment",
    "source",
    "source.*",
    "source_teacher",
    "source_student",
    "source_training",
    "data_seed",
    "targets",
    "targets.*",
    "shots",
    "seeds",
    "tables*",
    "variants",
    "personalisation.scene_models*",
    "personalisation.prior.images",
    "personalisation.guidance_scale",
    "variants.<*>.domain",
    "network",
    "diffusion",
    "training",
    "distillation",
    "evaluation",
    "published_features",
    "intra_lpips",
    "personalisation",
    "personalisation.lora",
    "personalisation.prior",
]
"""Paths, and what a run's input files are made of; and sections, whose keys are here themselves."""
VALUES = {
    "protocol": "released",
    "resolution": 64,
    "diffusion.spacing": "lognormal",
    "diffusion.student_sigma_max": 9.0,
    "diffusion.student_sigma_min": 0.3,
    "diffusion.lognormal_mean": -1.0,
    "diffusion.sigma_data": 0.25,
    "distillation.fake_score_learning_rate": 0.25,
    "distillation.fake_score_start": "student",
    "distillation.gan_gradient_ratio": 0.25,
    "training.trackers": [],
    "training.gradient_accumulation": 2,
    "feature_network": "train",
    "network.channels": [32, 32],
    "network.unshuffle": 1,
    "network.components": 5,
    "evaluation.samples": 99,
    "evaluation.reference_images": 99,
    "intra_lpips.members": 9,
    "variants.<finetune>.student": "dmd2",
    "variants.<finetune>.extra_nfe": [5],
    "variants.<finetune>.pairwise": {"image_weight": 0.25},
    "variants.<dmd2>.extra_nfe": [5],
    "variants.<unidad>.extra_nfe": [5],
    "variants.<consistency>.extra_nfe": [5],
    "variants.<sfddm>.extra_nfe": [5],
    "variants.<echodistill>.extra_nfe": [1],
    "variants.<echodistill>.nfe": None,
    "variants.<dmd2>.nfe": 2,
    "variants.<unidad>.nfe": 2,
    "variants.<consistency>.nfe": 2,
    "variants.<sfddm>.nfe": 2,
    "variants.<echodistill>.echo_rounds": 0,
    "variants.<echodistill>.prompt_templates": "textual_inversion",
    "variants.<dmd2>.teacher": "finetune",
    "variants.<dmd2>.student": "finetune",
    "variants.<unidad>.student": "finetune",
    "variants.<consistency>.student": "finetune",
    "variants.<sfddm>.student": "finetune",
    "variants.<consistency>.teacher": "finetune",
    "variants.<sfddm>.teacher": "finetune",
    "variants.<unidad>.target_teacher": "finetune",
    "variants.<unidad>.target_teacher_learning_rate": 0.25,
    "variants.<unidad>.target_teacher_updates": 9,
    "variants.<unidad>.dmd_target_share": 0.4,
    "variants.<echodistill>.student": "source_teacher",
    "variants.<echodistill>.teacher": "finetune",
    "variants.<echodistill>.features": {"encoder": "shipped"},
    "variants.<finetune>.sampler": "few_step",
    "personalisation.rare_token": "xyz",
    "personalisation.prompts": "configs/prompts/smoke.txt",
    "personalisation.protocol": "unidad",
    "personalisation.student_unet": "x.bin",
    "personalisation.posterior": "sample",
    "personalisation.measured_photos": 4,
    "personalisation.measured_images": 4,
    "personalisation.fake_score_weights": "y.bin",
    "personalisation.fake_score_prefix": "fake.",
}


def matches(key, patterns):
    return any(fnmatch(key, pattern.replace("[", "[[]")) for pattern in patterns)


def other(key, found):
    """Another value than the default."""
    if key in VALUES:
        return VALUES[key]
    default = found.get("default")
    if isinstance(default, bool):
        return not default
    if "enum" in found:
        return next(value for value in found["enum"] if value != default)
    if isinstance(default, int):
        return default + 1
    if isinstance(default, float):
        return 0.9 * default
    return pytest.fail(f"{key}: give another value in VALUES")


def nested(key, value):
    for part in reversed(key.split(".")):
        value = {part.strip("<>"): value}
    return value


@cache
def specifications(changes):
    raw = json.loads(changes)
    plan = Plan(parse_config({"experiment": "x"} | raw, "c"))
    return {path: text for path, text in plan.specs().items() if "/specs/runs/" in path}


def changed(key, value, more):
    subject = matches(key, ["personalisation.*", "variants.<echodistill>.*"])
    base = merged(PERSONALISATION if subject else GENERATION, more)
    both = [json.dumps(raw) for raw in (base, merged(base, nested(key, value)))]
    return specifications(both[0]) != specifications(both[1])


@pytest.mark.parametrize("key", [key for key in KEYS if not matches(key, THROUGH_FILES)])
def test_a_key_changes_trainings_or_never_does(key):
    value = other(key, KEYS[key])
    if value is None:
        pytest.skip("its one value is its default here")
    assert changed(key, value, ONLY_SOMETIMES.get(key, {})) != matches(key, NEVER)


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("distillation.gan_student_weight", 0.5, {"distillation": {"gan_gradient_ratio": 0.5}}),
        ("distillation.gan_penalty_weight", 0.5, {"distillation": {"gan_loss": "bce"}}),
        ("distillation.gan_loss", "hinge", {"distillation": {"heads": "none"}}),
        ("diffusion.lognormal_mean", 0.5, {"diffusion": {"spacing": "karras"}}),
        ("variants.unidad.far_target_share", 0.5, {"targets": {"near": {"near": True}}}),
        ("variants.unidad.near_target_share", 0.5, {"targets": {"near": {"near": False}}}),
        (
            "variants.unidad.target_teacher_learning_rate",
            0.5,
            {"variants": {"unidad": {"target_teacher": "none"}}},
        ),
        ("source_training.batch_size", 4, {}),
        ("evaluation.source_nfe", 4, {"source_teacher": "train"}),
        ("source_training.log_every", 4, {"source_teacher": "train"}),
    ],
)
def test_a_key_that_does_not_count_here_leaves_finished_models_alone(key, value, where):
    assert not changed(key, value, where)


def test_what_logs_reaches_a_training_all_the_same():
    raw = {"experiment": "x"} | GENERATION | {"training": {"log_every": 7}}
    plan = Plan(parse_config(raw, "c"))
    (path,) = [path for path in plan.specs() if "/watching/near/shots10/dmd2/" in path]
    assert json.loads(plan.specs()[path])["variant"]["training"]["log_every"] == 7
