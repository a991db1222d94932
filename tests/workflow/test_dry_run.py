"""Every shipped experiment can be planned in a fresh clone; archives are fetched and prepared."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import yaml
from PIL import Image

from unidad.data.image_set import ImageSet

ROOT = Path(__file__).parents[2]
SHIPPED = ["config.yaml", *sorted(f"configs/{path.name}" for path in ROOT.glob("configs/*.yaml"))]
pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The project's files without data, models and results."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("workflow", "configs", "profiles", "envs", "unidad"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def snakemake(folder, *arguments):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["snakemake", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("path", SHIPPED)
def test_every_shipped_configuration_dry_runs(path, clone):
    result = snakemake(clone, "-n", "--quiet", "rules", "--configfile", path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_paper_s_experiment_tells_at_run_time_what_is_missing(clone):
    result = snakemake(
        clone,
        "results/paper_fsig/data/babies/manifest.json",
        *("--cores", "1", "--configfile", "configs/paper_fsig.yaml"),
    )
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert "data/babies/train: no such folder of images; check the path" in said
    assert "Traceback" not in said


def test_a_prompt_without_its_slot_is_one_line(clone):
    (clone / "prompts.txt").write_text("a cat at sea\n")
    raw = yaml.safe_load((clone / "configs/sdp_smoke.yaml").read_text())
    raw["personalisation"]["prompts"] = "prompts.txt"
    (clone / "configs/slot.yaml").write_text(yaml.safe_dump(raw))
    result = snakemake(clone, "-n", "--configfile", "configs/slot.yaml")
    said = result.stdout + result.stderr
    assert "prompts.txt, line 1: no slot for the subject in 'a cat at sea'" in said
    assert "Traceback" not in said
    assert "UserError" not in said


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def archive(clone):
    """The address of an archive of twelve pictures on a server, and its hash."""
    (clone / "www").mkdir()
    with zipfile.ZipFile(clone / "www/set.zip", "w") as target:
        for i in range(12):
            Image.fromarray(np.full((20, 20), 10 * i, np.uint8)).save(clone / "picture.png")
            target.write(clone / "picture.png", f"set/a/{i}.png")
    handler = partial(Quiet, directory=str(clone / "www"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    digest = hashlib.sha256((clone / "www/set.zip").read_bytes()).hexdigest()
    yield f"http://127.0.0.1:{server.server_port}/set.zip", digest
    server.shutdown()
    thread.join()
    server.server_close()


def test_archives_are_downloaded_once_unpacked_and_prepared(clone, archive):
    url, digest = archive
    origin = {"url": url, "sha256": digest, "inside": "set/a"}
    shutil.copy(clone / "www/set.zip", clone / "local.zip")
    raw = yaml.safe_load((clone / "configs/smoke.yaml").read_text())
    raw |= {
        "experiment": "archives",
        "source": {"folder": origin, "images": 7},
        "targets": {
            "mine": {"folder": origin, "reference": origin},
            "yours": {"folder": "local.zip"},
        },
    }
    (clone / "configs/archives.yaml").write_text(yaml.safe_dump(raw))
    sheet = "results/archives/data/contact_sheet.png"
    command = (sheet, "--cores", "2", "--configfile", "configs/archives.yaml")
    result = snakemake(clone, *command)
    assert result.returncode == 0, result.stdout + result.stderr
    data = clone / "results/archives/data"
    levels = {
        name: ImageSet.load(data / name).images[:, 0, 0, 0].tolist()
        for name in ("source/train.npz", "mine/shots5.npz", "mine/reference.npz")
    }
    assert levels == {
        "source/train.npz": [0, 10, 20, 30, 40, 50, 60],
        "mine/shots5.npz": [0, 10, 20, 30, 40],
        "mine/reference.npz": [50, 60, 70, 80, 90, 100, 110],
    }
    assert [path.name for path in (clone / "data/downloads").iterdir()] == [digest[:16]]
    assert "Nothing to be done" in snakemake(clone, "-n", *command).stdout
    (clone / "local.zip").write_bytes(b"other")
    changed = snakemake(clone, *command)
    assert changed.returncode != 0
    assert "local.zip: damaged, or no archive" in changed.stdout + changed.stderr
