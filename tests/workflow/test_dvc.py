"""DVC's side of the workflow: real commands on a fresh repository, the training replaced."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from unidad.experiment.load import load_config
from unidad.plan import Plan
from unidad.report.outputs import COST_PLOT, grid_file, plot_file, training_curves_file

ROOT = Path(__file__).parents[2]
FILES = (".dvc/.gitignore", ".dvc/config", ".dvcignore", ".gitignore", "dvc.yaml", "config.yaml")
DEPENDENCIES = ("Snakefile", "profiles", "requirements.lock", "workflow")
STAGE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["reproduce"]
PLAN = Plan(load_config(ROOT / "config.yaml"))
pytestmark = pytest.mark.workflow


def run(folder, *command):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site"),
        "HOME": str(folder.parent),
    }
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A repository with the files that DVC reads, committed; `snakemake` is a stand-in."""
    folder = tmp_path_factory.mktemp("dvc") / "clone"
    (folder / ".dvc").mkdir(parents=True)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    for name in DEPENDENCIES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / "unidad").mkdir()
    (folder / "unidad/code.py").write_text("")
    stage = (folder / "dvc.yaml").read_text()
    (folder / "dvc.yaml").write_text(stage.replace(STAGE["cmd"], f"{sys.executable} fake.py"))
    (folder / "fake.py").write_text("open('runs.txt', 'a').write('run ')\n")
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", ".")
    name = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    run(folder, "git", *name, "commit", "--quiet", "--message", "start")
    return folder


@pytest.fixture(scope="module")
def reproduced(clone):
    """A copy after `dvc repro`, with results as an earlier run of the workflow left them."""
    folder = shutil.copytree(clone, clone.with_name("reproduced"))
    write_results(folder)
    run(folder, "dvc", "repro", "--quiet")
    return folder


def write_results(folder):
    """The files of a finished default experiment that dvc.yaml speaks of, and one unfinished."""
    root = folder / PLAN.root
    for number, row in enumerate(PLAN.rows()):
        content = {"run": {"variant": row.label}, "metrics": {"frechet_distance": 1 + number / 4}}
        write(root / row.metrics, json.dumps(content))
    log = pd.DataFrame({"iteration": [2, 4]})
    log["dmd_source"] = log["discriminator_accuracy"] = [0.5, 0.25]
    for training in PLAN.runs():
        write(root / "runs" / training.key / "training.csv", log.to_csv(index=False))
    blocks = PLAN.table_targets()
    curves = [training_curves_file(*block) for block in blocks]
    plots = [*(plot.name for plot in PLAN.task.plots), COST_PLOT]
    for name in (*map(plot_file, plots), *curves, *(grid_file(*block) for block in blocks)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(root / name)
    write(root / "runs/babies/state/checkpoint", "unfinished")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_stage_runs_the_workflow_and_leaves_its_results_alone():
    assert STAGE["cmd"] == "snakemake --cores all"
    kept = {"cache": False, "persist": True}
    outputs = dict(pair for out in STAGE["metrics"] + STAGE["plots"] for pair in out.items())
    assert outputs == {f"{PLAN.root}/{name}": kept for name in ("metrics", "plots", "grids")}


def test_every_curve_is_the_log_of_a_planned_run():
    logs = {f"{PLAN.root}/runs/{training.key}/training.csv" for training in PLAN.runs()}
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    drawn = {file for plot in plots for settings in plot.values() for file in settings["y"]}
    assert drawn
    assert drawn <= logs


def test_a_fresh_clone_has_one_stage_that_waits_to_be_run(clone):
    assert "reproduce" in run(clone, "dvc", "dag")
    assert run(clone, "dvc", "config", "core.analytics").strip() == "false"
    assert "config.yaml" in run(clone, "dvc", "status")


def test_repro_runs_once_and_deletes_nothing(reproduced):
    before = sorted(path for path in (reproduced / "results").rglob("*") if path.is_file())
    assert (reproduced / "runs.txt").read_text() == "run "
    assert reproduced / PLAN.root / "runs/babies/state/checkpoint" in before
    assert len(list((reproduced / PLAN.root / "metrics").rglob("*.json"))) == len(PLAN.rows())
    assert "up to date" in run(reproduced, "dvc", "repro")
    assert (reproduced / "runs.txt").read_text() == "run "
    run(reproduced, "dvc", "repro", "--force", "--quiet")
    assert (reproduced / "runs.txt").read_text() == "run run "
    assert before == sorted(p for p in (reproduced / "results").rglob("*") if p.is_file())
    changed = run(reproduced, "git", "status", "--short").splitlines()
    assert changed == ["?? dvc.lock", "?? runs.txt"]


def test_metrics_are_a_row_for_each_measured_file(reproduced):
    shown = json.loads(run(reproduced, "dvc", "metrics", "show", "--json"))[""]["data"]
    assert len(shown) == len(PLAN.rows())
    third = PLAN.rows()[2]
    data = shown[f"{PLAN.root}/{third.metrics}"]["data"]
    assert data == {"run": {"variant": third.label}, "metrics": {"frechet_distance": 1.5}}
    assert "metrics.frechet_distance" in run(reproduced, "dvc", "metrics", "show")


def test_a_changed_parameter_is_seen(reproduced):
    config = reproduced / "config.yaml"
    text = config.read_text()
    raw = yaml.safe_load(text)
    assert run(reproduced, "dvc", "params", "diff").strip() == ""
    raw["variants"]["Uni-DAD"]["nfe"] = 4
    config.write_text(yaml.safe_dump(raw))
    try:
        difference = json.loads(run(reproduced, "dvc", "params", "diff", "--json"))
        change = {"old": 3, "new": 4, "diff": 1}
        assert difference == {"config.yaml": {"variants.Uni-DAD.nfe": change}}
        assert "variants" in run(reproduced, "dvc", "status")
    finally:
        config.write_text(text)
    assert "up to date" in run(reproduced, "dvc", "status")


def test_plots_are_a_page_with_curves_and_images(reproduced):
    run(reproduced, "dvc", "plots", "show")
    folder = reproduced / "results/dvc_plots"
    page = (folder / "index.html").read_text()
    assert "babies: discriminator accuracy" in page
    assert "quality_diversity.png" in page
    images = {path.name for path in (folder / "static").iterdir()}
    assert any(name.endswith("grids_babies_shots10.png") for name in images)
    assert "dvc_plots" not in run(reproduced, "git", "status", "--short")
