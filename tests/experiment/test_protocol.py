"""`protocol`: one key for every option in which paper and released code differ."""

from pathlib import Path

import pytest

from unidad.errors import UserError
from unidad.experiment.load import load_config, parse_config

ROOT = Path(__file__).parents[2]
FACES = {
    "experiment": "mine",
    "targets": {"babies": {"domain": "babies", "near": True}},
    "variants": {"Uni-DAD": {"method": "unidad", "nfe": 3}},
}
CAT = FACES | {
    "targets": {"cat": {"subject": "cat"}},
    "variants": {"Uni-DAD": {"method": "unidad", "nfe": 1}},
    "personalisation": {"images_per_prompt": 2},
}


def options(raw, protocol):
    config = parse_config(raw | {"protocol": protocol}, "mine.yaml")
    return config, config.variants["Uni-DAD"]


@pytest.mark.parametrize(
    ("protocol", "heads", "logits", "weights", "counts", "unit_range"),
    [
        ("paper", "multi", "summed", (0.01, 0.03), "updates", False),
        ("released", "residual", "averaged", (0.015, 0.05), "iterations", True),
    ],
)
def test_generation(protocol, heads, logits, weights, counts, unit_range):
    config, row = options(FACES, protocol)
    found = row.distillation
    assert (found.heads, found.gan_logits) == (heads, logits)
    assert (found.gan_student_weight, found.gan_discriminator_weight) == weights
    assert row.training.warmup_counts == counts
    assert row.training.ema_decay == 0
    assert config.intra_lpips.unit_range is unit_range
    assert config.protocol == protocol


@pytest.mark.parametrize(
    ("protocol", "normaliser", "weights", "posterior"),
    [
        ("paper", "prediction_gap", (0.01, 0.03), "mean"),
        ("released", "noisy_gap", (0.001, 0.01), "sample"),
    ],
)
def test_personalisation(protocol, normaliser, weights, posterior):
    config, row = options(CAT, protocol)
    found = row.distillation
    assert found.dmd_normaliser == normaliser
    assert (found.gan_student_weight, found.gan_discriminator_weight) == weights
    assert config.personalisation.posterior == posterior
    assert config.personalisation.images_per_prompt == 2
    measured = {"paper": ("class", None, None), "released": ("subject", 4, 4)}[protocol]
    found = config.personalisation
    assert (found.clip_t_prompt, found.measured_photos, found.measured_images) == measured


def test_what_a_file_says_itself_comes_first_and_what_it_extends_last():
    raw = FACES | {"extends": "config.yaml", "distillation": {"gan_student_weight": 0.5}}
    raw |= {"variants": {"Uni-DAD": {"like": "Uni-DAD", "training": {"ema_decay": 0.9}}}}
    config = parse_config(raw | {"protocol": "released"}, "mine.yaml", ROOT)
    row = config.variants["Uni-DAD"]
    assert row.distillation.gan_student_weight == 0.5
    assert row.training.ema_decay == 0.9
    assert row.distillation.gan_gradient_ratio is None  # 1 in config.yaml
    assert row.distillation.fake_score_updates_per_student_update == 3


def test_an_unknown_one_is_one_line():
    with pytest.raises(UserError) as error:
        parse_config(FACES | {"protocol": "relased"}, "mine.yaml")
    assert str(error.value) == (
        "mine.yaml: protocol: 'relased' is none of paper, released; did you mean 'released'?"
    )


@pytest.mark.parametrize("name", ["paper_fsig", "paper_sdp"])
def test_the_paper_s_experiments_name_theirs(name):
    assert load_config(ROOT / f"configs/{name}.yaml").protocol == "paper"
