"""What `benchmarks.torture` kills: commands of the workflow at toy size, and their results."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
from PIL import Image
from safetensors.torch import load_file

from unidad.files import sha256

TOY = Path("results/smoke")
SCENES = Path("results/sdp-smoke")
UNIDAD = [sys.executable, "-m", "unidad"]
RUNS = {
    "finetune": TOY / "specs/runs/babies/shots5/ft/seed0.json",
    "dmd2": TOY / "specs/runs/babies/shots5/ft-dmd2/seed0.json",
    "unidad": TOY / "specs/runs/babies/shots5/uni-dad/seed0.json",
    "echodistill": SCENES / "specs/runs/cat/shots5/echodistill/seed0.json",
}
LONGER = {"student_updates": 40, "checkpoint_every": 3, "sample_every": 7, "log_every": 5}
LONGER |= {"snapshots": 2, "trackers": []}


@dataclass(frozen=True)
class Subject:
    """One command.

    Attributes:
        name: in the table.
        command: its words, for a folder of its own.
        result: a hash of what it made there.
        prepare: put into the folder what it needs.
        where: the folder that it runs in.
        flipped: files of which a bit is flipped, none empty; None where it is killed.
    """

    name: str
    command: Callable[[Path], list[str]]
    result: Callable[[Path], str]
    prepare: Callable[[Path], object] = lambda folder: None
    where: Callable[[Path], Path] = lambda folder: Path.cwd()
    flipped: Callable[[Path], list[Path]] | None = None

    @property
    def slug(self) -> str:
        """Its name for a folder."""
        return self.name.replace(" ", "-").replace(",", "")


def subjects(work: Path) -> list[Subject]:
    """All of them; what they start from is made first, by the workflow, if it is not there.

    Args:
        work: a folder for what they share.
    """
    _workflow("configs/smoke.yaml", f"{TOY}/tables/comparison.md")
    _workflow("configs/sdp_smoke.yaml", f"{SCENES}/runs/cat/shots5/echodistill/seed0/model")
    work.mkdir(parents=True, exist_ok=True)
    specs = {name: _longer(path, work / f"{name}.json") for name, path in RUNS.items()}
    model = TOY / "runs/babies/shots5/uni-dad/seed0/model"
    trained = [_training(f"train, {name}", [*UNIDAD], spec) for name, spec in specs.items()]
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    stopped = _stopped(specs["unidad"], work / "stopped")
    return [
        *trained,
        _training("train, two processes", [*two, "-m", "unidad"], specs["unidad"]),
        _resumed("train, bit of a checkpoint", specs["unidad"], stopped),
        _sampling("sample", model, 256),
        _sampling("sample, bit of a model", model, 16, partial(_files, below="model")),
        _features("features"),
        _features("features, bit of the images", lambda folder: [folder / "images.npz"]),
        _features("features, bit of the network", partial(_files, below="network")),
        _evaluation("evaluate, bit of features"),
        _fetching(work / "served"),
        _reporting(),
    ]


def _workflow(config: str, target: str) -> None:
    words = ["snakemake", target, "--cores", "all", "--quiet", "all", "--configfile", config]
    subprocess.run([sys.executable, "-m", *words], check=True)


def _longer(spec: Path, out: Path) -> Path:
    """The specification with enough updates, checkpoints and log lines to be caught between."""
    found = json.loads(spec.read_text())
    found["variant"]["training"] |= LONGER
    out.write_text(json.dumps(found))
    return out.resolve()


def _stopped(spec: Path, out: Path) -> Path:
    """A training that was killed after its first checkpoint."""
    process = subprocess.Popen([*UNIDAD, "train", str(spec), "--out", str(out), "--quiet"])
    while process.poll() is None and not list(out.glob("state/*.safetensors")):
        time.sleep(0.1)
    process.kill()
    process.wait()
    return out


def _files(folder: Path, below: str) -> list[Path]:
    found = sorted((folder / below).rglob("*"))
    return [path for path in found if path.is_file() and path.stat().st_size]


def _training(name: str, program: list[str], spec: Path) -> Subject:
    def command(folder: Path) -> list[str]:
        return [*program, "train", str(spec), "--out", f"{folder}/run", "--quiet"]

    return Subject(name, command, lambda folder: trained(folder / "run"))


def _resumed(name: str, spec: Path, stopped: Path) -> Subject:
    return replace(
        _training(name, UNIDAD, spec),
        prepare=lambda folder: shutil.copytree(stopped, folder / "run"),
        flipped=partial(_files, below="run/state"),
    )


def _sampling(
    name: str, model: Path, count: int, flipped: Callable[[Path], list[Path]] | None = None
) -> Subject:
    def command(folder: Path) -> list[str]:
        words = ["sample", f"{folder}/model", "--count", str(count), "--seed", "3"]
        return [*UNIDAD, *words, "--out", f"{folder}/out.npz", "--grid", f"{folder}/out.png"]

    return Subject(
        name,
        command,
        lambda folder: arrays(folder / "out.npz"),
        lambda folder: shutil.copytree(model, folder / "model"),
        flipped=flipped,
    )


def _features(name: str, flipped: Callable[[Path], list[Path]] | None = None) -> Subject:
    def prepare(folder: Path) -> None:
        shutil.copy(TOY / "samples/babies/shots5/uni-dad/seed0/nfe2.npz", folder / "images.npz")
        shutil.copytree(TOY / "models/feature_network", folder / "network")

    def command(folder: Path) -> list[str]:
        words = ["features", f"{folder}/images.npz", f"--network={folder}/network"]
        return [*UNIDAD, *words, "--out", f"{folder}/out.npz"]

    return Subject(
        name, command, lambda folder: arrays(folder / "out.npz"), prepare, flipped=flipped
    )


def _fetching(served: Path) -> Subject:
    """A download from a server of this process."""
    served.mkdir()
    content = np.random.default_rng(0).bytes(30_000_000)
    (served / "archive.zip").write_bytes(content)
    digest = sha256(served / "archive.zip")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(served)))
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/archive.zip"

    def command(folder: Path) -> list[str]:
        return [*UNIDAD, "fetch", address, "--sha256", digest, "--out", f"{folder}/archive.zip"]

    return Subject("fetch", command, lambda folder: sha256(folder / "archive.zip"))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


def _reporting() -> Subject:
    def command(folder: Path) -> list[str]:
        return [*UNIDAD, "report", "--config", f"{TOY}/specs/config.json"]

    return Subject(
        "report",
        command,
        lambda folder: reported(folder / TOY),
        lambda folder: shutil.copytree(TOY, folder / TOY, ignore=_measured_alone),
        lambda folder: folder,
    )


def _evaluation(name: str) -> Subject:
    """A row's metrics, from features and images of which one has a flipped bit."""
    row = TOY / "specs/metrics/babies/shots5/uni-dad/seed0/nfe2.json"
    read = [path for path in json.loads(row.read_text()).values() if str(path).endswith(".npz")]

    def command(folder: Path) -> list[str]:
        return [*UNIDAD, "evaluate", str(row), "--out", f"{folder}/out.json"]

    return Subject(
        name,
        command,
        lambda folder: sha256(folder / "out.json"),
        lambda folder: shutil.copytree(TOY, folder / TOY, ignore=_measured_alone),
        lambda folder: folder,
        flipped=lambda folder: [folder / path for path in read],
    )


def _measured_alone(folder: str, names: list[str]) -> list[str]:
    """Left out of the report's copy: what it makes."""
    return [name for name in names if name in {"tables", "plots", "grids"}]


def trained(run: Path) -> str:
    """A hash of a run's weights, snapshots' too, and of its log without the seconds."""
    digest = hashlib.sha256()
    for path in sorted(run.rglob("*.safetensors")):
        digest.update(str(path.relative_to(run)).encode())
        for name, weights in sorted(load_file(path).items()):
            digest.update(name.encode() + weights.numpy().tobytes())
    log = pd.read_csv(run / "training.csv").drop(columns="seconds")
    return digest.hexdigest() + hashlib.sha256(log.to_csv().encode()).hexdigest()


def arrays(path: Path) -> str:
    """A hash of the arrays of an .npz file."""
    digest = hashlib.sha256()
    with np.load(path, allow_pickle=False) as found:
        for name in sorted(found.files):
            digest.update(name.encode() + found[name].tobytes())
    return digest.hexdigest()


def reported(root: Path) -> str:
    """A hash of the tables; every picture can be opened."""
    for picture in sorted([*root.glob("plots/*.png"), *root.glob("grids/*.png")]):
        with Image.open(picture) as image:
            image.load()
    digest = hashlib.sha256()
    for table in sorted(root.glob("tables/*")):
        digest.update(table.name.encode() + table.read_bytes())
    return digest.hexdigest()
