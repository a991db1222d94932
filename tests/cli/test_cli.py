"""The command line as a whole: its help, one way through all stages, and its ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from unidad import cli
from unidad.cli import main
from unidad.data.image_set import ImageSet
from unidad.features.feature_network import load_feature_network
from unidad.features.features import Features
from unidad.files import write_json
from unidad.networks.folder import WEIGHTS_NAME
from unidad.sampling import load_image_model

UNET = f"unet/{WEIGHTS_NAME}"
VERBS = {
    *("plan", "prepare", "contact-sheet", "place", "train-features"),
    *("fitness", "train", "sample", "features", "evaluate", "report", "export", "schema"),
    *("import-adm", "check-model", "train-scene-features", "scene-fitness"),
    *("fetch", "unpack", "doctor"),
    *("train-clip", "train-vae", "new-text-to-image"),
}
LIGHT = """
import contextlib, io, json, sys
from unidad.cli import main
said = {}
for arguments in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            status = main(arguments)
        except SystemExit as end:
            status = end.code
    said[" ".join(arguments)] = [status, out.getvalue()]
heavy = {"torch", "numpy", "scipy", "pandas", "matplotlib", "PIL"}
heavy |= {"diffusers", "transformers", "peft", "accelerate"}
json.dump({"said": said, "heavy": sorted(heavy & set(sys.modules))}, sys.stdout)
"""


def test_help_plan_and_schema_come_without_heavy_imports(config):
    calls = [["--help"], ["--version"], *([verb, "--help"] for verb in sorted(VERBS))]
    calls += [["plan", "--config", str(config()), "--write"], ["schema"]]
    result = subprocess.run(
        [sys.executable, "-c", LIGHT, json.dumps(calls)], capture_output=True, text=True, check=True
    )
    found = json.loads(result.stdout)
    assert set(found["heavy"]) <= {"numpy", "torch"}  # torch is what the methods are made of
    assert {status for status, _ in found["said"].values()} == {0}
    listed = found["said"]["--help"][1]
    assert {line.split()[0] for line in listed.splitlines() if line.startswith("    ")} >= VERBS
    for verb in VERBS:
        text = found["said"][f"{verb} --help"][1]
        assert text.startswith(f"usage: unidad {verb} ")
        assert f"example:\n  unidad {verb} " in text


def test_every_example_parses():
    parser = cli._parser()
    for verb, verb_parser in parser._subparsers._group_actions[0].choices.items():
        example = verb_parser.epilog.splitlines()[1].split(" > ")[0].split()
        assert parser.parse_args(example[1:]).verb == verb


def test_from_a_specification_to_a_measured_row(spec, feature_network, image_set, told):
    """train, sample, features, evaluate, export: one after the other, as the workflow does."""
    status, out, err = told("train", spec(), "--out", "run", "--quiet", "--threads", 1)
    assert (status, err) == (0, [])
    assert out[0].startswith("run/model: {'student': 2} in ")
    written = sorted(p.name for p in Path("run").glob("[!.]*"))
    assert written == ["model", "snapshots", "training.csv", "training.json"]

    Path("settings.json").write_text('{"samples": 40, "seed": 3, "batch_size": 16}')
    sampling = ("sample", "run/model", "--settings", "settings.json", "--quiet")
    assert told(*sampling, "--out", "s/images.npz", "--grid", "g/grid.png")[0] == 0
    images = ImageSet.load("s/images.npz").images
    expected = load_image_model("run/model").draw(3, range(40), 2)
    assert np.abs(images.astype(int) - expected).max() <= 1
    grid = Image.open("g/grid.png")
    assert (grid.format, grid.size) == ("PNG", (8 * 18 - 2, 5 * 18 - 2))
    assert np.array_equal(np.asarray(grid)[:16, 18:34], images[1])
    cost = json.loads(Path("s/images.json").read_text())
    assert cost["nfe"] == 2
    assert told(*sampling, "--out", "few.npz", "--count", 3, "--seed", 3, "--nfe", 1)[0] == 0
    assert json.loads(Path("few.json").read_text())["nfe"] == 1
    assert ImageSet.load("few.npz").images.shape == (3, 16, 16, 3)

    sets = {"samples": "s/images.npz", "training": "images.npz", "reference": "few.npz"}
    for name, path in sets.items():
        arguments = ("features", path, "--network", feature_network, "--out", f"f/{name}.npz")
        assert told(*arguments, *["--mirrored"] * (name == "training")) == (0, [], [])
    stored = Features.load("f/training.npz")["pooled"]
    assert np.array_equal(
        stored, load_feature_network(feature_network).features(image_set.images)["pooled"]
    )

    row = {
        "task": "generation",
        "run": {"variant": "FT", "nfe": 2},
        "domain": "babies",
        "networks": [str(feature_network)],
        "images": sets["samples"],
        "features": "f/samples.npz",
        "reference_images": None,
        "reference_features": None,
        "training_images": sets["training"],
        "training_features": "f/training.npz",
        "sampling": "s/images.json",
        "training": ["run/training.json"],
        "trajectory": None,
        "intra_lpips": {},
    }
    write_json(Path("row.json"), row)
    assert told("evaluate", "row.json", "--out", "m/row.json", "--quiet") == (0, [], [])
    measured = json.loads(Path("m/row.json").read_text())
    assert measured["samples"] == 40
    seconds = json.loads(Path("run/training.json").read_text())["seconds"]
    made = {name: cost.pop(name) for name in ("commit", "machine")}
    assert measured.items() >= made.items()
    assert measured["cost"].items() >= (cost | {"training_seconds_total": seconds}).items()

    assert told("export", "run", "--out", "mine", "--dtype", "bfloat16") == (0, [], [])
    assert {t.dtype for t in load_file(f"mine/{UNET}").values()} == {torch.bfloat16}
    assert not list(Path().rglob("*.partial"))


def test_threads_are_set(model_folder, told):
    before = torch.get_num_threads()
    try:
        told("sample", model_folder, "--out", "i.npz", "--count", 1, "--quiet", "--threads", 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_progress_is_shown_unless_quiet(model_folder, told):
    arguments = ("sample", model_folder, "--out", "i.npz", "--count", 1)
    assert "sampling" in told(*arguments)[2][-1]
    assert told(*arguments, "--quiet") == (0, [], [])


def test_what_the_system_refuses_is_one_line_too(model_folder, complains):
    Path("file").write_text("")
    complains(
        ("sample", model_folder, "--out", "file/i.npz", "--count", 1, "--quiet"), "'file' is a file"
    )
    complains(("place", model_folder, "--out", "file"), "file: a file has this name")
    complains(("place", model_folder, "--out", "."), "would be replaced, but holds")


def test_who_reads_no_more_ends_it_without_a_word():
    reading, writing = os.pipe()
    os.close(reading)
    call = [sys.executable, "-m", "unidad", "schema"]
    result = subprocess.run(call, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.parametrize(
    "arguments", [[], ["no-verb"], ["sample"], ["export", "r", "--dtype", "x"]]
)
def test_a_call_that_argparse_refuses(arguments, capfd):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: unidad" in capfd.readouterr().err


def test_interrupted_from_the_keyboard(model_folder, told, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("unidad.models.place.place", interrupt)
    status, out, err = told("place", model_folder, "--out", "teacher")
    assert (status, out) == (130, [])
    assert err == ["unidad place: interrupted; run it again to go on"]


def test_a_bug_of_ours_keeps_its_traceback(model_folder, monkeypatch):
    def bug(*_):
        raise IndexError("a bug")

    monkeypatch.setattr("unidad.models.place.place", bug)
    with pytest.raises(IndexError, match="a bug"):
        main(["place", str(model_folder), "--out", "teacher"])


def test_the_shell_sees_the_status():
    arguments = [sys.executable, "-m", "unidad", "plan", "--config", "no.yaml"]
    result = subprocess.run(arguments, capture_output=True, text=True)
    expected = "unidad plan: no.yaml: no such configuration file\n"
    assert (result.stdout, result.stderr) == ("", expected)
    assert result.returncode == 2
