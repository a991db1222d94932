"""The command line as a user meets it: what verbs write, and one line for every mistake."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from unidad import cli
from unidad.cli import main
from unidad.data.image_set import ImageSet
from unidad.files import write_json
from unidad.metrics.feature_network import FeatureConfig, FeatureNetwork, load_feature_network
from unidad.metrics.features import Features
from unidad.networks.folder import WEIGHTS_NAME, new_network
from unidad.pipeline import UnidadPipeline
from unidad.sampling import load_pipeline

ROOT = Path(__file__).parents[2]
UNET = f"unet/{WEIGHTS_NAME}"
VERBS = {
    *("plan", "prepare", "contact-sheet", "source-teacher", "feature-network", "train-features"),
    *("fitness", "train", "sample", "features", "evaluate", "report", "export", "schema"),
    *("import-adm", "check-model"),
}
CONFIG = {
    "experiment": "tiny",
    "targets": {"babies": {"domain": "babies", "near": True}},
    "variants": {
        "FT": {"method": "finetune", "nfe": 5, "training": {"student_updates": 7}},
        "FT-DMD2": {"method": "dmd2", "student": "FT", "teacher": "FT", "nfe": 2},
    },
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def told(capfd):
    """Run a verb; its exit status, and the lines it says on stdout and stderr."""

    def run(*arguments) -> tuple[int, list[str], list[str]]:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        said = capfd.readouterr()
        return status, said.out.splitlines(), said.err.splitlines()

    return run


@pytest.fixture
def config(tmp_path):
    """Write a configuration with changes; returns its path."""

    def write(**changes) -> Path:
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG | changes))
        return tmp_path / "tiny.yaml"

    return write


@pytest.fixture
def spec(make_spec, tmp_path):
    """A run specification on disk, its values changed by a function."""

    def write(method="finetune", change=lambda values: None) -> Path:
        values = json.loads(make_spec(method, {"student_updates": 2}).model_dump_json())
        change(values)
        write_json(tmp_path / "spec.json", values)
        return tmp_path / "spec.json"

    return write


@pytest.fixture
def feature_network(tmp_path):
    torch.manual_seed(0)
    config = FeatureConfig("colours", ("babies", "cats"), tuple("abcd"), 16, (8, 8, 8, 8), 4)
    network = FeatureNetwork(config)
    for parameter in (p for p in network.parameters() if p.ndim > 1):
        nn.init.normal_(parameter, std=0.5)
    network.save(tmp_path / "features")
    return tmp_path / "features"


# help and lightness ----------------------------------------------------------------------------

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
heavy = {"torch", "numpy", "diffusers", "accelerate", "pandas", "matplotlib", "scipy", "PIL"}
json.dump({"said": said, "heavy": sorted(heavy & set(sys.modules))}, sys.stdout)
"""


def test_help_plan_and_schema_come_without_heavy_imports(config):
    calls = [["--help"], ["--version"], *([verb, "--help"] for verb in sorted(VERBS))]
    calls += [["plan", "--config", str(config()), "--write"], ["schema"]]
    result = subprocess.run(
        [sys.executable, "-c", LIGHT, json.dumps(calls)], capture_output=True, text=True, check=True
    )
    found = json.loads(result.stdout)
    assert found["heavy"] == []
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


# what verbs write ------------------------------------------------------------------------------


def test_plan_tells_runs_in_their_order(config, told):
    """Rows: three controls and two variants."""
    status, out, err = told("plan", "--config", config())
    assert (status, err) == (0, [])
    assert out == [
        "2 training runs, 5 measured rows, under results/tiny/",
        "  babies/shots10/ft/seed0: finetune, 7 student updates",
        "  babies/shots10/ft-dmd2/seed0: dmd2, 1000 student updates, after FT",
    ]
    assert not Path("results").exists()
    assert told("plan", "--config", config(), "--root")[1] == ["results/tiny"]


def test_plan_writes_specifications_once(config, told):
    out = told("plan", "--config", config(), "--write")[1]
    written = sorted(Path("results/tiny/specs").rglob("*.json"))
    assert out[-1] == f"{len(written)} specifications written or changed"
    assert Path("results/tiny/specs/runs/babies/shots10/ft/seed0.json") in written
    assert told("plan", "--config", config(), "--write")[1][-1].startswith("0 specifications")


def test_prepare_takes_a_folder_as_it_is(image_set, told):
    Path("photos").mkdir()
    for number, pixels in enumerate(image_set.images[:3]):
        Image.fromarray(pixels).save(f"photos/{number}.png")
    Path("settings.json").write_text('{"shots": [3], "resolution": 64}')
    status, out, err = told(
        *("prepare", "--folder", "photos", "--settings", "settings.json"),
        *("--shots", 1, 2, "--resolution", 16, "--out", "data/mine"),
    )
    assert (status, err) == (0, [])
    assert out == [
        "data/mine: shots1.npz, shots1/000.png, shots2.npz, shots2/000.png, shots2/001.png, "
        "contact_sheet.png"
    ]
    assert np.array_equal(ImageSet.load("data/mine/shots2.npz").images, image_set.images[:2])
    status, out, err = told("contact-sheet", "data/mine", "--out", "data")
    assert (status, out, err) == (0, [], [])
    manifests = json.loads(Path("data/manifest.json").read_text())
    assert manifests == {"mine": json.loads(Path("data/mine/manifest.json").read_text())}
    assert Path("data/contact_sheet.png").exists()


def test_from_a_specification_to_a_measured_row(spec, feature_network, image_set, told):
    """train, sample, features, evaluate, export: one after the other, as the workflow does."""
    status, out, err = told("train", spec(), "--out", "run", "--quiet", "--threads", 1)
    assert (status, err) == (0, [])
    assert out[0].startswith("run/model: {'student': 2} in ")
    written = sorted(p.name for p in Path("run").glob("[!.]*"))
    assert written == ["model", "training.csv", "training.json"]

    Path("settings.json").write_text('{"samples": 40, "seed": 3, "batch_size": 16}')
    sampling = ("sample", "run/model", "--settings", "settings.json", "--quiet")
    assert told(*sampling, "--out", "s/images.npz", "--grid", "g/grid.png")[0] == 0
    images = ImageSet.load("s/images.npz").images
    expected = load_pipeline("run/model")(batch_size=40, seed=3, nfe=2, output_type="np").images
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
        assert told(*arguments) == (0, [], [])
    stored = Features.load("f/training.npz").pooled
    assert np.array_equal(
        stored, load_feature_network(feature_network).features(image_set.images).pooled
    )

    row = {
        "run": {"variant": "FT", "nfe": 2},
        "domain": "babies",
        "network": str(feature_network),
        "images": sets["samples"],
        "features": "f/samples.npz",
        "reference_features": None,
        "training_images": sets["training"],
        "training_features": "f/training.npz",
        "sampling": "s/images.json",
        "training": ["run/training.json"],
    }
    write_json(Path("row.json"), row)
    assert told("evaluate", "row.json", "--out", "m/row.json", "--quiet") == (0, [], [])
    measured = json.loads(Path("m/row.json").read_text())
    assert measured["samples"] == 40
    seconds = json.loads(Path("run/training.json").read_text())["seconds"]
    assert measured["cost"].items() >= (cost | {"training_seconds_total": seconds}).items()

    assert told("export", "run", "--out", "mine", "--dtype", "bfloat16") == (0, [], [])
    assert {t.dtype for t in load_file(f"mine/{UNET}").values()} == {torch.bfloat16}
    assert not list(Path().rglob("*.partial"))


def test_networks_are_put_in_place(model_folder, feature_network, told):
    assert told("source-teacher", model_folder, "--out", "models/teacher") == (0, [], [])
    given, placed = load_file(model_folder / UNET), load_file(f"models/teacher/{UNET}")
    assert all(torch.equal(given[name], placed[name]) for name in given)
    assert told("feature-network", feature_network, "--out", "models/features") == (0, [], [])
    assert load_feature_network("models/features").fingerprint == (
        load_feature_network(feature_network).fingerprint
    )


def test_schema_is_the_one_of_the_project(told):
    file = ROOT / "workflow" / "schemas" / "config.schema.json"
    status, out, _ = told("schema")
    assert (status, "\n".join(out) + "\n") == (0, file.read_text())
    assert told("schema", "--check", file) == (0, [], [])


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


# mistakes --------------------------------------------------------------------------------------


def everything() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path().rglob("*")}


@pytest.fixture
def complains(told):
    """Assert exit status 2, one line with the given words in their order, and no file touched."""

    def check(arguments, *words):
        before = everything()
        status, out, err = told(*arguments)
        assert (status, out, len(err)) == (2, [], 1), err
        assert re.match(
            ".*".join(re.escape(w) for w in (f"unidad {arguments[0]}: ", *words)), err[0]
        )
        assert everything() == before

    return check


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


def remove_weights(folder):
    (folder / UNET).unlink()


def cut_weights(folder):
    (folder / UNET).write_bytes((folder / UNET).read_bytes()[:1000])


def other_architecture(folder):
    """Full-precision weights of another network."""
    state = new_network(16, 2, (32, 64)).unet.state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / UNET)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove_weights, (WEIGHTS_NAME, "weights are missing")),
        (cut_weights, (WEIGHTS_NAME, "not a readable safetensors file")),
        (other_architecture, (WEIGHTS_NAME, "weights of another architecture: '")),
    ],
)
def test_unfit_weights(model_folder, spec, complains, damage, words):
    path = spec("dmd2")
    damage(model_folder)
    complains(("source-teacher", model_folder, "--out", "teacher"), *words)
    complains(("sample", model_folder, "--out", "i.npz", "--quiet"), *words)
    complains(("train", path, "--out", "run", "--quiet"), *words)


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


def test_mistakes_in_a_user_s_folder(complains):
    prepare = ("prepare", "--out", "data", "--shots", 1, "--folder")
    Path("photos").mkdir()
    complains((*prepare, "no"), "no: no such folder of images")
    complains((*prepare, "photos"), "photos: no images in this folder")
    Path("photos/text.png").write_text("I am not a picture")
    complains((*prepare, "photos"), "photos/text.png: not an image of a known format")
    complains(("prepare", "--out", "data"), "give either a domain or a folder")
    Path("typo.json").write_text('{"domain": "cats", "shot": [1]}')
    complains(("prepare", "--out", "data", "--settings", "typo.json"), "shot: unknown key", "shots")
    complains(("contact-sheet", "photos", "--out", "data"), "photos/manifest.json: no such file")


def test_mistakes_with_features(image_set, feature_network, complains):
    image_set.save("images.npz")
    Path("text.npz").write_text("not an archive")
    image_file = ("features", "images.npz", "--out", "f.npz", "--network")
    complains((*image_file, "no"), "no/config.json: no such file")
    features = ("features", "--network", feature_network, "--out", "f.npz")
    complains((*features, "text.npz"), "text.npz: not an image set")
    complains((*features, "no.npz"), "no.npz: no such image set")
    complains(("feature-network", "no", "--out", "n"), "no/config.json: no such file")
    complains(("fitness", "--network", "no", "--out", "n"), "no/config.json: no such file")
    complains(("train-features", "--steps", 0, "--out", "n"), "steps must be at least 1")
    (feature_network / "model.safetensors").unlink()
    complains((*features, "images.npz"), "model.safetensors: no such file")


def test_mistakes_in_a_row_specification(complains, feature_network, image_set):
    image_set.save("images.npz")
    evaluate = ("evaluate", "row.json", "--out", "m.json", "--quiet")
    complains(evaluate, "row.json: no such file")
    Path("row.json").write_text("[1, 2]")
    complains(evaluate, "row.json: expected a mapping of keys, found list")
    write_json(Path("row.json"), {"images": "images.npz", "network": str(feature_network)})
    complains(evaluate, "row specification: key 'reference_features' is missing")


def test_a_run_that_is_not_finished(complains, model_folder):
    complains(
        ("export", "no", "--out", "mine"), "no/training.json: no such file", "no finished run"
    )
    write_json(Path("run/training.json"), {"updates": {"student": 1}})
    complains(("export", "run", "--out", "mine"), "run/model/model_index.json: no such file")


def test_mistakes_in_a_configuration(config, complains):
    complains(("plan", "--config", "no.yaml"), "no.yaml: no such configuration file")
    plan = ("plan", "--write", "--config")
    complains((*plan, config(experimnt="x")), "tiny.yaml: experimnt: unknown key")
    complains((*plan, config(resolution=33)), "tiny.yaml: resolution: ", "16, found 33")
    complains(("report", "--config", config()), "results/tiny/metrics/", "no such metrics")


def test_schema_out_of_step(complains):
    complains(("schema", "--check", "no.json"), "No such file or directory: 'no.json'")
    Path("old.json").write_text("{}")
    complains(
        ("schema", "--check", "old.json"), "old.json: out of step", "unidad schema > old.json"
    )


def test_what_the_system_refuses_is_one_line_too(model_folder, complains):
    Path("file").write_text("")
    complains(("sample", model_folder, "--out", "file/i.npz", "--count", 1, "--quiet"), "'file'")
    complains(("source-teacher", model_folder, "--out", "file"), "file: a file has this name")
    complains(("source-teacher", model_folder, "--out", "."), "would be replaced, but holds")


def test_each_problem_has_a_line_of_its_own(told):
    Path("photos").mkdir()
    for name in ("a.png", "b.png"):
        Path("photos", name).write_text("no picture")
    status, _, err = told("prepare", "--folder", "photos", "--out", "data")
    assert status == 2
    starts = ["unidad prepare: photos/a.png: not an", "unidad prepare: photos/b.png: not an"]
    assert [line[: len(start)] for line, start in zip(err, starts, strict=True)] == starts


@pytest.mark.parametrize(
    "arguments", [[], ["no-verb"], ["sample"], ["export", "r", "--dtype", "x"]]
)
def test_a_call_that_argparse_refuses(arguments, capfd):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: unidad" in capfd.readouterr().err


# ends ------------------------------------------------------------------------------------------


def test_interrupted_from_the_keyboard(model_folder, told, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("unidad.models.place_source_teacher", interrupt)
    status, out, err = told("source-teacher", model_folder, "--out", "teacher")
    assert (status, out) == (130, [])
    assert err == ["unidad source-teacher: interrupted; run it again to go on"]


def test_a_bug_of_ours_keeps_its_traceback(model_folder, monkeypatch):
    def bug(*_):
        raise IndexError("a bug")

    monkeypatch.setattr("unidad.models.place_source_teacher", bug)
    with pytest.raises(IndexError, match="a bug"):
        main(["source-teacher", str(model_folder), "--out", "teacher"])


def test_the_shell_sees_the_status():
    arguments = [sys.executable, "-m", "unidad", "plan", "--config", "no.yaml"]
    result = subprocess.run(arguments, capture_output=True, text=True)
    expected = "unidad plan: no.yaml: no such configuration file\n"
    assert (result.stdout, result.stderr) == ("", expected)
    assert result.returncode == 2
