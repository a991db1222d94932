"""The real workflow at toy size, from data to report."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from checkouts import ROOT, snakemake
from chromium import opened
from documentation import commands, fences, section
from page_tests import TestPage  # noqa: F401 - its tests run here
from PIL import Image

from unidad.cli import main
from unidad.data.image_set import ImageSet

README, EXTENDING = ROOT / "README.md", ROOT / "docs/extending.md"
pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def smoke(checkout):
    snakemake(checkout, "--cores", "2", "--configfile", "configs/smoke.yaml")
    return checkout / "results/smoke"


def test_tables_plots_and_grids_are_there(smoke):
    table = pd.read_csv(smoke / "tables/comparison.csv")
    trained = table[(table.target == "babies") & ~table.control]
    assert list(trained.variant.unique()) == [
        "FT",
        "DMD2-FT",
        "FT-DMD2",
        "Uni-DAD (no target teacher)",
        "Uni-DAD",
    ]
    distances = trained[trained.metric == "frechet_distance"]["mean"]
    assert (distances > 0).all()
    for name in ("plots/quality_nfe.png", "plots/cost.png", "grids/babies_shots5.png"):
        assert Image.open(smoke / name).width > 300
    assert "Uni-DAD" in (smoke / "tables/comparison.md").read_text()
    assert not list(smoke.rglob("*.partial"))


def test_the_cost_of_a_route_counts_every_stage(smoke):
    row = json.loads((smoke / "metrics/babies/shots5/ft-dmd2/seed0/nfe2.json").read_text())
    parts = [
        json.loads((smoke / f"runs/babies/shots5/{name}/seed0/training.json").read_text())
        for name in ("ft-dmd2", "ft")
    ]
    total = sum(part["seconds"] for part in parts)
    assert row["cost"]["training_seconds_total"] == pytest.approx(total)
    assert row["cost"]["training_seconds"] == pytest.approx(parts[0]["seconds"])
    assert row["cost"]["student_updates"] == 8


def test_quality_on_the_way_is_measured_where_runs_keep_snapshots(smoke):
    row = json.loads((smoke / "metrics/babies/shots5/uni-dad/seed0/nfe2.json").read_text())
    assert [snapshot["updates"] for snapshot in row["trajectory"]] == [4]
    distances = [row["trajectory"][0]["metrics"]["frechet_distance"]]
    distances.append(row["metrics"]["frechet_distance"])
    assert row["metrics"]["best_frechet_distance"] == min(distances)
    source = json.loads((smoke / "metrics/source/all/source-teacher.json").read_text())
    assert [snapshot["updates"] for snapshot in source["trajectory"]] == [4]
    assert "best FD on the way" in (smoke / "tables/comparison.md").read_text()
    assert Image.open(smoke / "plots/quality_updates.png").width > 300


@pytest.fixture(scope="module")
def own(smoke, checkout):
    """An experiment with a folder of one's own, and docs/extending.md's method and metric."""
    shutil.copytree(smoke / "data/babies/shots5", checkout / "photos")
    plugins = {
        f"{kind}.py": text
        for kind in ("METHODS", "METRICS")
        for text in fences(EXTENDING, "python")
        if f'{kind}["' in text
    }
    assert len(plugins) == 2
    for name, text in plugins.items():
        (checkout / name).write_text(text)
    (told,) = (block for block in fences(EXTENDING, "yaml") if "Anchored" in block)
    raw = yaml.safe_load((checkout / "configs/smoke.yaml").read_text())
    variants = yaml.safe_load(told)["variants"] | {"Uni-DAD": raw["variants"]["Uni-DAD"]}
    raw |= {
        "experiment": "mine",
        "source_teacher": "results/smoke/models/source_teacher",
        "targets": {"mine": {"folder": "photos"}},
        "variants": {name: variants[name] for name in ("Anchored", "Uni-DAD")},
    }
    (checkout / "configs/mine.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    command = ("--cores", "2", "--configfile", "configs/mine.yaml")
    snakemake(checkout, *command, UNIDAD_PLUGINS=":".join(plugins))
    return checkout / "results/mine"


def test_a_folder_of_ones_own_without_held_out_images(own):
    """The whole workflow: what needs a reference is left out, the rest is measured."""
    table = (own / "tables/comparison.md").read_text()
    assert "Intra-LPIPS" in table
    assert "FD (synthetic features)" not in table.splitlines()[2]
    row = json.loads((own / "metrics/mine/shots5/uni-dad/seed0/nfe2.json").read_text())
    assert row["metrics"]["frechet_distance"] is None
    assert row["metrics"]["intra_lpips"] > 0
    for name in ("grids/mine_shots5.png", "plots/quality_nfe.png", "plots/cost.png"):
        assert Image.open(own / name).width > 200


def test_a_method_and_a_metric_of_plugins(own):
    """The toy method's loss is logged, the toy metric is a column with its value."""
    log = pd.read_csv(own / "runs/mine/shots5/anchored/seed0/training.csv")
    assert (log[["denoising", "anchor"]] > 0).all(axis=None)
    table = pd.read_csv(own / "tables/all.csv").set_index("variant")
    with np.load(own / "features/samples/mine/shots5/anchored/seed0/nfe3.npz") as features:
        expected = features["pooled"].var(axis=0, ddof=1).mean()
    assert table.feature_variance["Anchored"] == pytest.approx(expected, rel=1e-5)
    assert "feature variance ↑" in (own / "tables/comparison.md").read_text()


def test_one_step_by_hand_gives_the_same_files(smoke, checkout, monkeypatch):
    """The commands of docs/workflow.md, with the smoke experiment's names."""
    monkeypatch.chdir(checkout)
    typed = commands(section("docs/workflow.md", "One step by hand"))
    steps = [words for words in typed if words[0] == "unidad"]
    assert [words[1] for words in steps] == ["plan", "train", "sample"]
    for words in steps:
        named = [word.replace("default", "smoke").replace("shots10", "shots5") for word in words]
        config = ["--config", "configs/smoke.yaml"] if words[1] == "plan" else []
        assert main([*named[1:], *config]) == 0
    weights = "model/unet/diffusion_pytorch_model.safetensors"
    byte = (smoke / "runs/babies/shots5/ft/seed0" / weights).read_bytes()
    assert (checkout / "my-run" / weights).read_bytes() == byte
    assert ImageSet.load(checkout / "my-run/images.npz").images.shape == (64, 16, 16, 3)


def test_drawing_with_a_trained_model(smoke, checkout, monkeypatch):
    """README's commands and its Python, likewise."""
    monkeypatch.chdir(checkout)
    own = section("README.md", "Your own ten images")
    steps = [
        words
        for words in commands(own)
        if words[:2] in (("unidad", "sample"), ("unidad", "export"))
    ]
    assert len(steps) == 2
    for words in steps:
        named = [word.replace("default", "smoke").replace("shots10", "shots5") for word in words]
        assert main(named[1:]) == 0
    assert Image.open("babies.png").width > 100
    (code,) = fences(README, "python")
    found = {}
    exec(code, found)
    assert [image.size for image in found["images"]] == [(16, 16)] * 16


def test_nothing_runs_twice(smoke, checkout):
    again = snakemake(checkout, "-n", "--configfile", "configs/smoke.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_one_hyperparameter_reruns_its_variant_and_what_depends_on_it(smoke, checkout):
    raw = yaml.safe_load((checkout / "configs/smoke.yaml").read_text())
    raw["variants"]["FT"]["training"] = {"learning_rate": 0.0005}
    assert {path for path in pending(checkout, raw) if "/model" in path} == {
        "results/smoke/runs/babies/shots5/ft/seed0/model",
        "results/smoke/runs/babies/shots5/ft-dmd2/seed0/model",
    }
    snakemake(checkout, "-n", "--configfile", "configs/smoke.yaml")


def pending(checkout, raw):
    """Outputs that a changed configuration makes anew."""
    (checkout / "configs/changed.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    listed = snakemake(checkout, "-n", "--configfile", "configs/changed.yaml", "--summary")
    lines = listed.stdout.splitlines()
    return [line.split("\t")[0] for line in lines if "update pending" in line]


def test_what_measures_logs_or_draws_leaves_models_alone(smoke, checkout):
    raw = yaml.safe_load((checkout / "configs/smoke.yaml").read_text())
    raw["variants"]["FT"] |= {"nfe": 4, "extra_nfe": [2]}
    raw["training"] |= {"log_every": 3, "sample_every": 0, "checkpoint_every": 3, "trackers": []}
    raw["evaluation"] |= {"samples": 50, "source_nfe": 2}
    found = pending(checkout, raw)
    assert "results/smoke/tables/comparison.md" in found
    assert not [path for path in found if "/runs/" in path or "/models/source" in path]
    snakemake(checkout, "-n", "--configfile", "configs/smoke.yaml")


def test_a_model_that_is_gone_is_trained_again(smoke, checkout):
    """As it is after a kill in the midst of `--forcerun train`."""
    model = smoke / "runs/babies/shots5/uni-dad/seed0/model"
    model.rename(model.with_name("aside"))
    plan = snakemake(checkout, "-n", "--configfile", "configs/smoke.yaml")
    model.with_name("aside").rename(model)
    assert "Nothing to be done" not in plan.stdout + plan.stderr
    assert "runs/babies/shots5/uni-dad/seed0/model" in plan.stdout


def test_report_is_one_html_file(smoke, checkout):
    target = "results/smoke/report.html"
    snakemake(checkout, "--configfile", "configs/smoke.yaml", "--report", target)
    text = (checkout / target).read_text()
    assert "Comparison" in text
    assert "grids/babies_shots5.png" in text
    with opened(checkout / target) as page:
        page.locator("table").first.wait_for()
        first = page.locator("table").first
        assert first.locator("caption").inner_text() == "babies, 5 shots"
        table = pd.read_csv(smoke / "tables/comparison.csv")
        found = table[(table.target == "babies") & (table.metric == "frechet_distance")]
        cells = first.locator("tr td:nth-child(3)").all_inner_texts()
        expected = found[~found.control]["mean"].map("{:.2f}".format)
        assert cells[: len(expected)] == list(expected)
        assert first.bounding_box()["y"] > 0  # on the screen, not above it
        page.locator(".prose a", has_text="Comparison").click()
        assert page.get_by_text("all methods").is_visible()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"experimnt": "x"}, "experimnt: unknown key"),
        ({"resolution": 33}, "resolution: Input should be a multiple of 16, found 33"),
    ],
)
def test_a_typo_in_the_configuration_is_one_clear_line(checkout, change, line):
    raw = yaml.safe_load((checkout / "configs/smoke.yaml").read_text()) | change
    (checkout / "configs/typo.yaml").write_text(yaml.safe_dump(raw))
    result = snakemake(checkout, "-n", "--configfile", "configs/typo.yaml", check=False)
    assert result.returncode != 0
    assert line in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_an_empty_target_folder_stops_the_workflow_with_its_reason(checkout):
    raw = yaml.safe_load((checkout / "configs/smoke.yaml").read_text())
    (checkout / "empty").mkdir(exist_ok=True)
    raw |= {"experiment": "empty", "targets": {"mine": {"folder": "empty"}}}
    (checkout / "configs/empty.yaml").write_text(yaml.safe_dump(raw))
    result = snakemake(
        checkout,
        "results/empty/data/mine/manifest.json",
        *("--cores", "1", "--configfile", "configs/empty.yaml"),
        check=False,
    )
    assert result.returncode != 0
    assert "empty: no images in this folder" in result.stdout + result.stderr
    assert not (checkout / "results/empty/data/mine").exists()
