"""Mistakes that `train` and `sample` meet."""

from pathlib import Path

import numpy as np
import pytest

from unidad.data.image_set import ImageSet
from unidad.files import read_json, write_json


def typo(values):
    values["variant"]["training"]["lerning_rate"] = 1e-4


@pytest.mark.parametrize(
    ("method", "change", "words"),
    [
        (
            "finetune",
            typo,
            ("spec.json, line ", "variant.training.lerning_rate: unknown key; did you mean"),
        ),
        ("finetune", lambda v: v.pop("data"), ("spec.json: data: this key is missing",)),
        ("finetune", lambda v: v.update(seed="x"), ("spec.json, line 5: seed: ", "found 'x'")),
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
    complains(("train", "text.json", "--out", "run"), "text.json: ", "a mapping of keys")
    Path("broken.json").write_text('{"seed": [')
    complains(("train", "broken.json", "--out", "run"), "broken.json, line 1: not valid JSON")


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
    network.save("model", "heun", 5)
    Path("typo.json").write_text('{"sample": 9}')
    complains(("sample", "model", "--out", "i.npz", "--quiet", *options), *words)


def test_a_model_that_is_none(complains):
    Path("empty").mkdir()
    for folder in ("no", "empty"):
        complains(("sample", folder, "--out", "i.npz"), f"{folder}/model_index.json: no such file")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ("stable-diffusion is a text-to-image model; give --prompt", "'prompts'")),
        (("--prompt", "a cat", "--count", 0), ("--count", "at least 1")),
        (("--prompt", "a cat", "--seed", -1), ("options: seed: ", "found -1")),
        (("--prompt", ""), ("options: prompts.0: ", "found ''")),
        (("--prompt", "a cat " * 40), ("prompt of 82 tokens, at most 77 fit",)),
        (("--settings", "samples.json"), ("samples.json: samples: unknown key", "prompts")),
        (("--settings", "none.json"), ("none.json: prompts: ", "at least 1 item")),
    ],
)
def test_mistakes_in_sampling_prompts(stable_diffusion, complains, options, words):
    Path("samples.json").write_text('{"samples": 9}')
    Path("none.json").write_text('{"prompts": []}')
    complains(("sample", stable_diffusion, "--out", "i.npz", "--quiet", *options), *words)


def test_prompts_go_to_text_to_image_models(network, stable_diffusion, complains):
    network.save("model", "ddim", 5)
    sample = ("sample", "model", "--out", "i.npz", "--quiet", "--prompt", "a cat")
    complains(sample, "--prompt: model is no text-to-image model")
    sample = ("sample", stable_diffusion, "--out", "images", "--quiet", "--prompt", "a cat")
    complains(sample, "--out: images does not end in .npz")


def test_prompts_are_drawn_by_settings_or_by_options(stable_diffusion, told):
    settings = {"prompts": ["a prt cat", "a dog"], "images_per_prompt": 2, "guidance_scale": 1}
    write_json(Path("grid.json"), settings | {"seed": 5, "batch_size": 3})
    sample = ("sample", stable_diffusion, "--quiet", "--nfe", 1, "--settings", "grid.json")
    assert told(*sample, "--out", "four.npz", "--grid", "four.png") == (0, [], [])
    drawn = ImageSet.load("four.npz")
    assert drawn.captions == ("a prt cat", "a prt cat", "a dog", "a dog")
    assert (Path("four") / "01_01.png").is_file()
    assert Path("four.png").is_file()
    assert read_json(Path("four.json"), "")["nfe"] == 1
    one = (*sample, "--out", "one.npz", "--prompt", "a prt cat", "--count", 1)
    assert told(*one, "--seed", 5) == (0, [], [])
    first = ImageSet.load("one.npz").images[0].astype(int)
    assert np.abs(first - drawn.images[0]).max() <= 1
    assert np.abs(first - drawn.images[1]).max() > 1
