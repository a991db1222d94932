"""Personalisation as a real workflow at toy size, from data to report."""

import json

import pandas as pd
import pytest
from checkouts import snakemake
from PIL import Image

from unidad.data.image_set import ImageSet

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def smoke(checkout):
    snakemake(checkout, "--cores", "2", "--configfile", "configs/sdp_smoke.yaml")
    return checkout / "results/sdp-smoke"


def test_tables_plots_and_grids_are_there(smoke):
    table = pd.read_csv(smoke / "tables/comparison.csv")
    of_cat = table[table.target == "cat"]
    assert {"instance_similarity", "clip_i", "clip_t", "prompt_success"} <= set(of_cat.metric)
    trained = of_cat[~of_cat.control]
    assert list(trained.variant.unique())[:3] == ["FT", "DMD2-FT", "FT-DMD2"]
    for name in ("plots/fidelity.png", "plots/cost.png", "grids/cat_shots5.png"):
        assert Image.open(smoke / name).width > 300
    assert not list(smoke.rglob("*.partial"))


def test_controls_stand_where_they_must(smoke):
    table = pd.read_csv(smoke / "tables/comparison.csv")
    values = table[table.target == "cat"].set_index(["variant", "metric"])["mean"]
    true, photos = values["Held-out images"], values["Training images"]
    assert true["prompt_success"] > 0.5
    unadapted = values["Source teacher"]["instance_similarity"]
    assert min(photos["instance_similarity"], true["instance_similarity"]) > unadapted
    assert photos["prompt_success"] == 0


def test_images_are_drawn_prompt_after_prompt(smoke):
    drawn = ImageSet.load(smoke / "samples/cat/shots5/uni-dad/seed0/nfe1.npz")
    prompts = ["a prt cat on the beach", "a red prt cat", "a prt cat wearing a red hat"]
    assert list(drawn.captions) == [prompt for prompt in prompts for _ in range(2)]
    row = json.loads((smoke / "metrics/cat/shots5/uni-dad/seed0/nfe1.json").read_text())
    assert row["samples"] == 6


def test_snapshots_are_measured_as_the_last_model_is(smoke):
    metrics = smoke / "metrics/cat/shots5"
    row = json.loads((metrics / "uni-dad/seed0/nfe1.json").read_text())
    (snapshot,) = row["trajectory"]
    assert snapshot["updates"] == 2
    assert list(snapshot["metrics"]) == list(row["metrics"])
    assert None not in (snapshot["metrics"]["clip_t"], snapshot["metrics"]["prompt_success"])
    assert snapshot["metrics"]["clip_t"] != row["metrics"]["clip_t"]
    assert json.loads((metrics / "ft/seed0/nfe3.json").read_text())["trajectory"] == []
    for name in ("fidelity_updates", "prompt_updates"):
        assert Image.open(smoke / f"plots/{name}.png").width > 300
