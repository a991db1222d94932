"""The workflow on a real Slurm: what jobs ask for, and trainings stopped from outside."""

import re
import subprocess
from collections import defaultdict

import pandas as pd
import pytest
import torch
import yaml
from checkouts import ENVIRONMENT, command, snakemake
from safetensors.torch import load_file
from slurm_cluster import Unavailable, jobs, one_node_slurm, slurm, wait_until

OPTIONS = (
    *("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1"),
    *("--set-threads", "train=1", "train_source_teacher=1"),
)
ON_GPU = {"train_source_teacher", "train", "sample", "features", "trajectory"}
ON_CPU = {
    *("prepare_source", "prepare_target", "contact_sheet", "place"),
    *("evaluate", "report", "page"),
}
ROUTES = ("alone", "told", "cancelled", "overtime")
pytestmark = [pytest.mark.workflow, pytest.mark.slurm]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    try:
        with one_node_slurm():
            yield
    except Unavailable as reason:
        pytest.skip(f"no Slurm: {reason}")


def write_config(checkout, name, changes):
    raw = yaml.safe_load((checkout / "configs/smoke.yaml").read_text())
    raw |= {"experiment": name} | changes
    (checkout / f"configs/{name}.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    return "--configfile", f"configs/{name}.yaml"


def submissions(after=0):
    """Rule or group → its Slurm jobs, by the comments that the executor gives them."""
    names = "|".join(sorted(ON_GPU | ON_CPU, key=len, reverse=True))
    found = defaultdict(list)
    for job in jobs()[after:]:
        found[re.match(f"rule_({names})(_|$)", job["Comment"])[1]].append(job)
    return found


@pytest.fixture(scope="module")
def comparison(checkout):
    """The smoke experiment with one variant, one GPU for each rule that may use one."""
    profile = checkout / "profiles/slurm/config.yaml"
    shipped = profile.read_text()
    assert shipped.count("{gpu: 0}") == 1
    profile.write_text(shipped.replace("{gpu: 0}", "{gpu: 1}"))
    variants = {"Uni-DAD": {"method": "unidad", "nfe": 2, "extra_nfe": [1]}}
    config = write_config(checkout, "sent", {"variants": variants})
    snakemake(checkout, *OPTIONS, *config)
    profile.write_text(shipped)
    return submissions()


def test_the_workflow_runs_from_data_to_tables(comparison, checkout):
    assert set(comparison) == ON_GPU | ON_CPU
    assert {job["JobState"] for found in comparison.values() for job in found} == {"COMPLETED"}
    table = pd.read_csv(checkout / "results/sent/tables/all.csv")
    rows = table[table.variant == "Uni-DAD"]
    assert sorted(rows.nfe) == [1, 2]
    assert (rows.frechet_distance > 0).all()


def test_only_rules_with_use_for_a_gpu_ask_for_one(comparison):
    asked = {name: {job.get("TresPerJob") for job in found} for name, found in comparison.items()}
    assert {name for name, gpus in asked.items() if gpus == {"gres:gpu:1"}} == ON_GPU
    assert {name for name, gpus in asked.items() if gpus == {None}} == ON_CPU


def test_small_jobs_share_submissions(comparison, checkout):
    rows = len(list((checkout / "results/sent/metrics").rglob("*.json")))
    sets = len(list((checkout / "results/sent/features").rglob("*.npz")))
    assert min(rows, sets) > 4
    assert len(comparison["evaluate"]) == -(-rows // 8)
    assert len(comparison["features"]) == -(-sets // 8)


@pytest.fixture(scope="module")
def trainings(checkout):
    """Equal trainings at once: left alone, told to end, cancelled, held up past its time.

    No checkpoint is due before the end, so only what a signal makes a training write is there.
    """
    training = {
        "student_updates": 120,
        "batch_size": 4,
        "warmup_updates": 2,
        "checkpoint_every": 1000,
        "log_every": 10,
        "sample_every": 0,
    }
    variants = {name: {"method": "finetune", "nfe": 3, "training": training} for name in ROUTES}
    teacher = "results/sent/models/source_teacher"
    config = write_config(checkout, "stopped", {"source_teacher": teacher, "variants": variants})
    folder = checkout / "results/stopped/runs/babies/shots5"
    targets = [f"results/stopped/runs/babies/shots5/{name}/seed0/model" for name in ROUTES]
    before = len(jobs())
    environment = ENVIRONMENT | {"CUDA_VISIBLE_DEVICES": ""}
    log = checkout / "stopped.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command(*targets, *OPTIONS, *config),
            cwd=checkout,
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            stop_on_the_way(folder, before)
            assert process.wait() == 0, log.read_text()
        finally:
            process.terminate()
    return folder, submissions(before)


def stop_on_the_way(folder, before):
    waiting = {"told": tell, "cancelled": cancel, "overtime": hold_past_its_time}

    def look():
        for name in list(waiting):
            log = folder / f"{name}/seed0/state/training.csv"
            if log.exists() and log.read_text().count("\n") > 1:
                waiting.pop(name)(job_of(name, submissions(before))[-1]["JobId"])
        return not waiting

    wait_until(look, 1800, "lines in the logs of the trainings")


def tell(job):
    """What `--signal=TERM@120` of the profile does two minutes before a job's time is over."""
    slurm("scancel", "--signal=TERM", job)


def cancel(job):
    slurm("scancel", job)


def hold_past_its_time(job):
    """Slurm looks for jobs out of time twice a minute: stand still until then."""
    slurm("scancel", "--signal=STOP", job)
    slurm("scontrol", "update", f"JobId={job}", "EndTime=now")


def job_of(name, submitted):
    return [job for job in submitted["train"] if f"_{name}_" in job["Comment"]]


@pytest.mark.parametrize(
    ("name", "end"), [("told", "FAILED"), ("cancelled", "CANCELLED"), ("overtime", "TIMEOUT")]
)
def test_a_stopped_training_loses_no_update(trainings, checkout, name, end):
    folder, submitted = trainings
    first, second = job_of(name, submitted)
    assert (first["JobState"], second["JobState"]) == (end, "COMPLETED")
    starts = {route: started_at(checkout, route) for route in ("alone", name)}
    assert starts["alone"] == 0
    assert starts[name] >= 10
    weights, expected = (
        load_file(folder / route / "seed0/model/unet/diffusion_pytorch_model.safetensors")
        for route in (name, "alone")
    )
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[key], expected[key]) for key in expected)


def started_at(checkout, name):
    """The iteration at which the last attempt's progress bar began."""
    log = checkout / f"results/stopped/logs/train/babies/shots5/{name}/seed0.log"
    return int(re.search(r"(\d+)/120 \[", log.read_text())[1])


def test_the_profile_asks_for_a_signal_where_something_is_trained(checkout):
    profile = yaml.safe_load((checkout / "profiles/slurm/config.yaml").read_text())
    asked = {rule for rule, found in profile["set-resources"].items() if "slurm_extra" in found}
    assert asked == {"train", "train_source", "train_source_teacher"}
    assert profile["set-resources"]["train"]["slurm_extra"] == "'--signal=TERM@120'"


def test_another_attempt_asks_for_more_time(trainings):
    _, submitted = trainings
    _, second = job_of("overtime", submitted)
    assert [job["TimeLimit"] for job in job_of("alone", submitted)] == ["02:00:00"]
    assert second["TimeLimit"] == "04:00:00"


def test_no_job_asks_for_a_gpu_that_is_not_configured(trainings):
    _, submitted = trainings
    assert {job.get("TresPerJob") for found in submitted.values() for job in found} == {None}
