"""Mistakes that `train` and `sample` meet."""

from pathlib import Path

import numpy as np
import pytest

from unidad.data.image_set import ImageSet
from unidad.files import read_json, write_json

SCHEDULER = "scheduler/scheduler_config.json"


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
        (("--count", 0), ("options: count: ", "greater than or equal to 1, found 0")),
        (("--count", 10**12), ("options: count: ", "less than or equal to 1000000, found 10")),
        (("--nfe", 0), ("options: nfe: ", "greater than or equal to 1, found 0")),
        (("--nfe", 10**12), ("options: nfe: ", "less than or equal to 10000, found 10")),
        (("--seed", -1), ("options: seed: ", "greater than or equal to 0, found -1")),
        (("--seed", 2**63), ("options: seed: ", f"at most {2**63 - 1}, found")),
        (("--threads", 10**11), ("--threads must be at least 1 and at most 1024, got 1000",)),
        (("--nfe", 4), ("heun", "nfe 4", "odd")),
        (("--threads", 0), ("--threads must be at least 1 and at most 1024, got 0",)),
        (("--settings", "no.json"), ("no.json: no such file",)),
        (("--settings", "typo.json"), ("typo.json, line 1: sample: unknown key", "'samples'")),
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
        (("--prompt", "a cat", "--count", 0), ("options: count: ", "equal to 1, found 0")),
        (("--prompt", "a cat", "--count", 10**9), ("options: count: ", "equal to 1000000, found")),
        (("--prompt", "a\a"), ("options: prompts: ", r"'a\x07': a control character is in this")),
        (("--prompt", "a", "--grid", "i/g.png"), ("--grid: i/g.png would lie among the images",)),
        (("--prompt", "a cat", "--seed", -1), ("options: seed: ", "found -1")),
        (("--prompt", ""), ("options: prompts.0: ", "a text that is not empty, found ''")),
        (("--prompt", "a cat " * 40), ("prompt of 82 tokens, at most 77 fit",)),
        (("--settings", "samples.json"), ("samples.json, line 1: samples: unknown key", "prompts")),
        (("--settings", "none.json"), ("none.json, line 1: prompts: ", "at least 1 item")),
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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--out", "s.json"), ("--out: s.json does not end in .npz",)),
        (("--out", "s.png"), ("--out: s.png does not end in .npz",)),
        (("--out", ""), ("--out: . does not end in .npz",)),
        (("--out", "a.npz", "--grid", "a.npz"), ("--grid: a.npz does not end in .png",)),
        (("--out", "a.npz", "--grid", "a.json"), ("--grid: a.json does not end in .png",)),
        (("--out", "/proc/x/a.npz"), ("--out: /proc/x/a.npz: cannot be written: ",)),
        (("--out", "a.npz", "--grid", "/proc/a.png"), ("--grid: /proc/a.png: cannot be written",)),
        (("--out", "x" * 300 + ".npz"), (".npz: cannot be written: File name too long",)),
        (("--out", "a\0.npz"), (r"--out: 'a\x00.npz' holds a NUL",)),
    ],
)
def test_places_that_cannot_be_written_to(network, complains, options, words):
    network.save("model", "heun", 5)
    complains(("sample", "model", *options), *words)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('{"samples": "x"}', ("set.json, line 1: samples: ", "a whole number, found 'x'")),
        ('{"samples": true}', ("samples: Input should be a number, not true or false",)),
        ('{"samples": null}', ("samples: Input should be a whole number, found None",)),
        ('{\n"seed": -1}', ("set.json, line 2: seed: Input should be greater than or equal to 0",)),
        ('{"seed": 1, "seed": 2}', ("set.json, line 1: seed: stands a second time",)),
        ('{"batch_size": 0}', ("batch_size: Input should be greater than or equal to 1, found 0",)),
        ("[]", ("set.json: expected a mapping of keys, found a list",)),
        ("", ("set.json: expected a mapping of keys, found nothing",)),
        ("[" * 3000, ("set.json: not valid JSON: brackets nested too deeply",)),
    ],
)
def test_settings_with_wrong_values(network, complains, settings, words):
    network.save("model", "ddim", 5)
    Path("set.json").write_text(settings)
    sample = ("sample", "model", "--out", "i.npz", "--quiet", "--settings", "set.json")
    complains(sample, *words)


@pytest.mark.parametrize(
    ("file", "key", "value", "words"),
    [
        ("model_index.json", "nfe", "x", ("nfe: Input should be a whole number, found 'x'",)),
        ("model_index.json", "nfe", 0, ("nfe: Input should be greater than or equal to 1",)),
        ("model_index.json", "sampler", "x", ("sampler: Input should be 'few_step', 'ddim' or",)),
        ("model_index.json", "diffusion", {"rho": "x"}, ("diffusion.rho: Input should be a num",)),
        ("unet/config.json", "sample_size", "x", ("sample_size: Input should be ", "found 'x'")),
        ("unet/config.json", "sample_size", -5, ("sample_size: Input should be greater than",)),
        ("unet/config.json", "in_channels", 0, ("in_channels: Input should be greater than or",)),
        ("unet/config.json", "layers_per_block", -1, ("layers_per_block: Input should be gre",)),
        (
            SCHEDULER,
            "num_train_timesteps",
            -5,
            ("num_train_timesteps: In",),
        ),
        (
            SCHEDULER,
            "beta_end",
            5,
            ("beta_end: Input should be less than 1",),
        ),
        (SCHEDULER, "trained_betas", "x", ("trained_betas: Input should",)),
    ],
)
def test_a_model_folder_with_wrong_values(network, complains, file, key, value, words):
    network.save("model", "ddim", 5)
    path = Path("model") / file
    write_json(path, read_json(path, "") | {key: value})
    complains(("sample", "model", "--out", "i.npz", "--quiet"), f"model/{file}: ", *words)


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
    alone = (*sample, "--out", "alone.npz", "--index", 3, "--index", 0)
    assert told(*alone) == (0, [], [])
    third = ImageSet.load("alone.npz")
    assert third.captions == ("a dog", "a prt cat")
    assert np.abs(third.images.astype(int) - drawn.images[[3, 0]]).max() <= 1
    one = (*sample, "--out", "one.npz", "--prompt", "a prt cat", "--count", 1)
    assert told(*one, "--seed", 5) == (0, [], [])
    first = ImageSet.load("one.npz").images[0].astype(int)
    assert np.abs(first - drawn.images[0]).max() <= 1
    assert np.abs(first - drawn.images[1]).max() > 1
