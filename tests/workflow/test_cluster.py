"""The Slurm profile, without Slurm: what it says fits the rules."""

import pytest
import yaml
from checkouts import ROOT, snakemake

PROFILE = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
TEACHER = "results/smoke/models/source_teacher"
pytestmark = pytest.mark.workflow


def test_the_profile_names_rules_of_the_workflow(checkout):
    rules = set()
    for config in ("configs/smoke.yaml", "configs/sdp.yaml"):
        rules |= set(snakemake(checkout, "--configfile", config, "--list-rules").stdout.split())
    named = {*PROFILE["set-threads"], *PROFILE["set-resources"], *PROFILE["groups"]}
    assert "train" in named
    assert named <= rules
    assert set(PROFILE["group-components"]) == set(PROFILE["groups"].values())


@pytest.mark.parametrize(
    ("gpus", "command"),
    [
        (0, "(trap : TERM HUP; python -m unidad train"),
        (1, "(trap : TERM HUP; python -m unidad train"),
        (2, "(trap : TERM HUP; accelerate launch --multi_gpu --num_processes 2 "),
    ],
)
def test_a_training_is_one_process_a_gpu(checkout, gpus, command):
    resources = f"train_source_teacher:gpu={gpus}"
    options = ("-n", "-p", "--configfile", "configs/smoke.yaml", "--set-resources", resources)
    shown = snakemake(checkout, TEACHER, *options).stdout
    assert shown.count(command) == 1
    assert "unidad train results/smoke/specs/runs/source_teacher.json" in shown
