"""Personalisation whose source models and measuring networks are trained first, by the workflow."""

import json

import pandas as pd
import pytest
import yaml
from checkouts import snakemake
from safetensors.torch import load_file

from unidad.methods.specs import load_spec
from unidad.networks.folder import WEIGHTS_NAME
from unidad.synthetic.recipes import SceneModels

pytestmark = pytest.mark.workflow
ALL = ("source_teacher=train", "source_student=train", "feature_network=train")
FEW = {"updates": 2, "batch_size": 8, "scenes": 40}
TINY = {
    "autoencoder": {"updates": 2, "scenes": 40},
    "text_clip": FEW,
    "clip": FEW,
    "encoder": {"updates": 2, "instances": 400},
    "channels": [32],
    "source_teacher": "configs/specs/tiny_source.json",
    "source_student": "configs/specs/tiny_student.json",
}
BRIEF = {"student_updates": 2, "batch_size": 2, "warmup_updates": 1, "decay_updates": 1}
BRIEF |= {"checkpoint_every": 1, "sample_every": 2, "log_every": 1, "compile": False}


def write_configuration(checkout):
    """That of the smoke test, with one of its variants, and everything trained."""
    raw = yaml.safe_load((checkout / "configs/sdp_smoke.yaml").read_text())
    raw |= {"experiment": "trained", "source": {"images": 40}}
    raw |= dict(key.split("=") for key in ALL)
    raw["personalisation"] |= {"scene_models": TINY, "prior": None}
    raw["variants"] = {"EchoDistill": raw["variants"]["EchoDistill"]}
    del raw["variants"]["EchoDistill"]["features"]
    (checkout / "configs/trained.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    for name in ("source", "student"):
        spec = json.loads((checkout / f"configs/specs/scenes_{name}.json").read_text())
        spec["variant"]["training"] |= BRIEF
        (checkout / f"configs/specs/tiny_{name}.json").write_text(json.dumps(spec))


@pytest.fixture(scope="module")
def trained(checkout):
    write_configuration(checkout)
    snakemake(checkout, "--cores", "2", "--configfile", "configs/trained.yaml")
    return checkout / "results/trained"


def test_everything_that_is_trained_is_what_the_table_stands_on(trained):
    table = pd.read_csv(trained / "tables/comparison.csv")
    drawn = {"Source teacher", "Source student", "EchoDistill"}
    assert drawn < set(table.variant)
    measured = table[table.metric.isin(["instance_similarity", "clip_t"])]
    assert measured.groupby("variant")["mean"].count().reindex(sorted(drawn)).tolist() == [2] * 3
    spec = load_spec(trained / "specs/runs/cat/shots5/echodistill/seed0.json")
    assert spec.student == "results/trained/models/source_student"
    assert spec.variant.features == {
        "clip": "results/trained/models/text_clip",
        "encoder": "results/trained/models/encoder",
    }


def test_models_are_those_of_the_trainings_before_them(trained):
    vae, unet = f"vae/{WEIGHTS_NAME}", f"unet/{WEIGHTS_NAME}"
    models = trained / "models"
    teacher, student = models / "source_teacher", models / "source_student"
    own = load_file(models / "autoencoder" / WEIGHTS_NAME)
    for model in (teacher, student):
        assert all(tensor.equal(own[key]) for key, tensor in load_file(model / vae).items())
    places = [models / "untrained" / unet, teacher / unet, student / unet]
    weights = [load_file(path)["conv_in.weight"] for path in places]
    assert weights[0].shape == (32, 8, 3, 3)
    assert not weights[0].equal(weights[1])
    assert not weights[1].equal(weights[2])
    for role in ("source_teacher", "source_student"):
        summary = json.loads((trained / f"runs/{role}/training.json").read_text())
        assert (summary["target"], summary["images_seen"]) == ("source", 4)


def test_nothing_runs_twice(trained, checkout):
    again = snakemake(checkout, "-n", "--configfile", "configs/trained.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_one_command_trains_the_shipped_models_anew(checkout):
    """A dry run, with the settings of the shipped models."""
    options = ("--configfile", "configs/sdp.yaml", "--config", "experiment=anew", *ALL)
    said = snakemake(checkout, "-n", *options).stdout
    for rule in ("train_autoencoder", "new_text_to_image", "train_source", "train_encoder"):
        assert f"rule {rule}:" in said
    assert said.count("rule train_clip:") == 2
    assert "rule place:" not in said
    folder = checkout / "results/anew/specs"
    for name in ("source", "student"):
        shipped = load_spec(checkout / f"configs/specs/scenes_{name}.json")
        role = {"source": "source_teacher", "student": "source_student"}[name]
        planned = load_spec(folder / f"runs/{role}.json")
        assert planned.model_dump()["variant"] == shipped.model_dump()["variant"]
        assert planned.data == "results/anew/data/source/train.npz"
    assert json.loads((folder / "data/source.json").read_text())["images"] == 50_000
    planned = json.loads((folder / "models/text_clip.json").read_text())
    assert planned == SceneModels().text_clip.model_dump()
