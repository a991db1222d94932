"""Mistakes that `train` and `sample` meet."""

from pathlib import Path

import pytest

from unidad.pipeline import UnidadPipeline


def typo(values):
    values["variant"]["training"]["lerning_rate"] = 1e-4


@pytest.mark.parametrize(
    ("method", "change", "words"),
    [
        (
            "finetune",
            typo,
            ("spec.json: variant.training.lerning_rate: unknown key",),
        ),
        ("finetune", lambda v: v.pop("data"), ("spec.json: data: this key is missing",)),
        ("finetune", lambda v: v.update(seed="x"), ("spec.json: seed: ", "found 'x'")),
        ("finetune", lambda v: v.update(data="no.npz"), ("no.npz: no such image set",)),
        ("finetune", lambda v: v.update(resolution=32), ("images are 16x16", "wants 32x32")),
        ("finetune", lambda v: v.update(student="no"), ("no/unet/config.json: no such file",)),
        ("dmd2", lambda v: v.update(teacher="no"), ("no/unet/config.json: no such file",)),
    ],
)
def test_mistakes_in_a_run_specification(spec, complains, method, change, words):
    complains(("train", spec(method, change), "--out", "run", "--quiet"), *words)


def test_a_specification_that_is_none(complains):
    complains(("train", "no.json", "--out", "run"), "no.json: no such run specification")
    Path("text.json").write_text("hello")
    complains(("train", "text.json", "--out", "run"), "text.json: ", "dictionary")
    Path("broken.json").write_text('{"seed": [')
    complains(("train", "broken.json", "--out", "run"), "broken.json: not valid JSON")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--count", 0), ("--count", "at least 1")),
        (("--nfe", 0), ("--nfe", "at least 1")),
        (("--nfe", 4), ("heun", "nfe 4", "odd")),
        (("--threads", 0), ("--threads must be at least 1, got 0",)),
        (("--settings", "no.json"), ("no.json: no such file",)),
        (("--settings", "typo.json"), ("typo.json: sample: unknown key", "samples")),
    ],
)
def test_mistakes_in_sampling(network, complains, options, words):
    UnidadPipeline(network.unet, network.scheduler, "heun", 5).save_pretrained("model")
    Path("typo.json").write_text('{"sample": 9}')
    complains(("sample", "model", "--out", "i.npz", "--quiet", *options), *words)


def test_a_model_that_is_none(complains):
    Path("empty").mkdir()
    for folder in ("no", "empty"):
        complains(("sample", folder, "--out", "i.npz"), f"{folder}/model_index.json: no such file")
