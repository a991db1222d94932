"""Every shipped experiment can be planned in a fresh clone; archives are fetched and prepared."""

import hashlib
import shutil
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import yaml
from checkouts import ROOT, snakemake
from PIL import Image

from unidad.data.image_set import ImageSet

SHIPPED = ["config.yaml", *sorted(f"configs/{path.name}" for path in ROOT.glob("configs/*.yaml"))]
FACES = """\
experiment: x
targets: {babies: {domain: babies}}
variants:
  FT: {method: finetune, nfe: 25}
"""
pytestmark = pytest.mark.workflow


@pytest.mark.parametrize("path", SHIPPED)
def test_every_shipped_configuration_dry_runs(path, checkout):
    result = snakemake(checkout, "-n", "--quiet", "rules", "--configfile", path, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_paper_s_experiment_tells_at_run_time_what_is_missing(checkout):
    result = snakemake(
        checkout,
        "results/paper_fsig/data/babies/manifest.json",
        *("--cores", "1", "--configfile", "configs/paper_fsig.yaml"),
        check=False,
    )
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert "data/babies/train: no such folder of images; check the path" in said
    assert "Traceback" not in said


def test_a_prompt_without_its_slot_is_one_line(checkout):
    (checkout / "prompts.txt").write_text("a cat at sea\n")
    raw = yaml.safe_load((checkout / "configs/sdp_smoke.yaml").read_text())
    raw["personalisation"]["prompts"] = "prompts.txt"
    (checkout / "configs/slot.yaml").write_text(yaml.safe_dump(raw))
    result = snakemake(checkout, "-n", "--configfile", "configs/slot.yaml", check=False)
    said = result.stdout + result.stderr
    assert "prompts.txt, line 1: no slot for the subject in 'a cat at sea'" in said
    assert "Traceback" not in said
    assert "UserError" not in said


def test_real_faces_are_prepared_from_the_installed_package(checkout):
    text = FACES.replace("{babies: {domain: babies}}", "{people: {domain: lfw}}")
    (checkout / "configs/lfw.yaml").write_text(text)
    target = "results/x/data/people/manifest.json"
    snakemake(checkout, target, "--cores", "1", "--configfile", "configs/lfw.yaml")
    folder = checkout / "results/x/data/people"
    assert len(ImageSet.load(folder / "reference.npz").images) == 90
    assert not (folder / "held_out.npz").exists()


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("training: {beta1: 1}", "line 5: training.beta1: Input should be less than 1, found 1"),
        ("seeds: [010]", "line 5: 010: YAML counts this in eights, as 8; write the number that"),
        ("experiment: y", "line 5: experiment: stands a second time, first in line 1; keep one"),
    ],
)
def test_the_last_line_is_ours(checkout, more, line):
    (checkout / "configs/wrong.yaml").write_text(FACES + more)
    result = snakemake(checkout, "-n", "--configfile", "configs/wrong.yaml", check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"{checkout}/configs/wrong.yaml, {line}")
    assert "Traceback" not in result.stderr


def test_folders_and_files_with_braces(checkout):
    for folder in ("my{x}photos", "others"):
        (checkout / folder).mkdir()
        for i in range(10):
            picture = Image.fromarray(np.full((40, 40, 3), 20 * i, np.uint8))
            picture.save(checkout / folder / f"{i}{{y}}.png")
    (checkout / "teacher{x}.pt").touch()
    text = """\
experiment: braces
source: {folder: 'my{x}photos'}
source_teacher: 'teacher{x}.pt'
targets: {mine: {folder: 'my{x}photos'}, yours: {folder: others}}
variants: {D: {method: dmd2, domain: source, nfe: 3}, FT: {method: finetune}}
"""
    (checkout / "configs/braces.yaml").write_text(text)
    call = ("--configfile", "configs/braces.yaml", "--cores", "1")
    snakemake(checkout, "-n", *call)
    sheet = "results/braces/data/contact_sheet.png"
    snakemake(checkout, sheet, *call)
    assert ImageSet.load(checkout / "results/braces/data/mine/shots10.npz").images.max() == 180


def test_what_is_not_there_is_named_at_once(checkout):
    text = FACES.replace("domain: babies", "folder: nowhere") + "source_teacher: neither"
    (checkout / "configs/absent.yaml").write_text(text)
    result = snakemake(checkout, "-n", "--configfile", "configs/absent.yaml")
    told = [line for line in result.stderr.splitlines() if line.startswith("missing ")]
    assert [line.partition(";")[0] for line in told] == [
        "missing source_teacher: neither is not there",
        "missing babies.folder: nowhere is not there",
    ]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def archive(checkout):
    """The address of an archive of twelve pictures on a server, and its hash."""
    (checkout / "www").mkdir()
    with zipfile.ZipFile(checkout / "www/set.zip", "w") as target:
        for i in range(12):
            Image.fromarray(np.full((20, 20), 10 * i, np.uint8)).save(checkout / "picture.png")
            target.write(checkout / "picture.png", f"set/a/{i}.png")
    handler = partial(Quiet, directory=str(checkout / "www"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    digest = hashlib.sha256((checkout / "www/set.zip").read_bytes()).hexdigest()
    yield f"http://127.0.0.1:{server.server_port}/set.zip", digest
    server.shutdown()
    thread.join()
    server.server_close()


def test_archives_are_downloaded_once_unpacked_and_prepared(checkout, archive):
    url, digest = archive
    origin = {"url": url, "sha256": digest, "inside": "set/a"}
    shutil.copy(checkout / "www/set.zip", checkout / "local.zip")
    raw = yaml.safe_load((checkout / "configs/smoke.yaml").read_text())
    raw |= {
        "experiment": "archives",
        "source": {"folder": origin, "images": 7},
        "targets": {
            "mine": {"folder": origin, "reference": origin},
            "yours": {"folder": "local.zip"},
        },
    }
    (checkout / "configs/archives.yaml").write_text(yaml.safe_dump(raw))
    sheet = "results/archives/data/contact_sheet.png"
    command = (sheet, "--cores", "2", "--configfile", "configs/archives.yaml")
    snakemake(checkout, *command, cold=True)
    data = checkout / "results/archives/data"
    levels = {
        name: ImageSet.load(data / name).images[:, 0, 0, 0].tolist()
        for name in ("source/train.npz", "mine/shots5.npz", "mine/reference.npz")
    }
    assert levels == {
        "source/train.npz": [0, 10, 20, 30, 40, 50, 60],
        "mine/shots5.npz": [0, 10, 20, 30, 40],
        "mine/reference.npz": [50, 60, 70, 80, 90, 100, 110],
    }
    assert [path.name for path in (checkout / "data/downloads").iterdir()] == [digest[:16]]
    assert "Nothing to be done" in snakemake(checkout, "-n", *command).stdout
    (checkout / "local.zip").write_bytes(b"other")
    changed = snakemake(checkout, *command, check=False)
    assert changed.returncode != 0
    assert "local.zip: damaged, or no archive" in changed.stdout + changed.stderr
