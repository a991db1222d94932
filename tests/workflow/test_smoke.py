"""The real workflow at toy size, from data to report."""

import json
import shutil

import pandas as pd
import pytest
import yaml
from checkouts import snakemake
from PIL import Image

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


def test_a_folder_of_ones_own_without_held_out_images(smoke, checkout):
    """The whole workflow: what needs a reference is left out, the rest is measured."""
    shutil.copytree(smoke / "data/babies/shots5", checkout / "photos")
    raw = yaml.safe_load((checkout / "configs/smoke.yaml").read_text())
    raw |= {
        "experiment": "mine",
        "source_teacher": "results/smoke/models/source_teacher",
        "targets": {"mine": {"folder": "photos"}},
        "variants": {name: raw["variants"][name] for name in ("FT", "Uni-DAD")},
    }
    (checkout / "configs/mine.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    snakemake(checkout, "--cores", "2", "--configfile", "configs/mine.yaml")
    root = checkout / "results/mine"
    table = (root / "tables/comparison.md").read_text()
    assert "Intra-LPIPS" in table
    assert "FD (synthetic features)" not in table.splitlines()[2]
    row = json.loads((root / "metrics/mine/shots5/uni-dad/seed0/nfe2.json").read_text())
    assert row["metrics"]["frechet_distance"] is None
    assert row["metrics"]["intra_lpips"] > 0
    for name in ("grids/mine_shots5.png", "plots/quality_nfe.png", "plots/cost.png"):
        assert Image.open(root / name).width > 200


def test_nothing_runs_twice(smoke, checkout):
    again = snakemake(checkout, "-n", "--configfile", "configs/smoke.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_one_hyperparameter_reruns_its_variant_and_what_depends_on_it(smoke, checkout):
    raw = yaml.safe_load((checkout / "configs/smoke.yaml").read_text())
    raw["variants"]["FT"]["training"] = {"learning_rate": 0.0005}
    (checkout / "configs/changed.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    plan = snakemake(checkout, "-n", "--configfile", "configs/changed.yaml", "--quiet", "rules")
    listed = snakemake(checkout, "-n", "--configfile", "configs/changed.yaml", "--summary")
    updated = [
        line.split("\t")[0] for line in listed.stdout.splitlines() if "update pending" in line
    ]
    models = {line for line in updated if "/model" in line}
    assert models == {
        "results/smoke/runs/babies/shots5/ft/seed0/model",
        "results/smoke/runs/babies/shots5/ft-dmd2/seed0/model",
    }, plan.stdout
    snakemake(checkout, "-n", "--configfile", "configs/smoke.yaml")


def test_report_is_one_html_file(smoke, checkout):
    target = "results/smoke/report.html"
    snakemake(checkout, "--configfile", "configs/smoke.yaml", "--report", target)
    text = (checkout / target).read_text()
    assert "Comparison" in text
    assert "grids/babies_shots5.png" in text


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
