"""Runs that are broken on purpose: what their log says of held-out images, and their figure."""

import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.torch import load_file

from benchmarks import loss_curves
from unidad.data.image_set import ImageSet
from unidad.methods import METHODS
from unidad.training.build import build_method
from unidad.training.run import train

ROOT = Path(__file__).parents[1]
REAL = ["real_training", "real_held_out", "real_student"]


@pytest.fixture
def plain(monkeypatch):
    """The method `unidad` as it is without the plugin, which is loaded."""
    found = METHODS["unidad"]
    monkeypatch.setitem(METHODS, "unidad", found)
    runpy.run_path(str(ROOT / "benchmarks/held_out.py"))
    return found


@pytest.fixture
def spec(make_spec, tmp_path):
    held_out = np.random.default_rng(1).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    ImageSet(held_out).save(tmp_path / "reference.npz")
    return make_spec("unidad")


def test_to_watch_changes_no_weight(plain, spec, tmp_path, monkeypatch):
    train(spec, tmp_path / "watched", progress=False)
    log = pd.read_csv(tmp_path / "watched/training.csv")
    assert log[REAL].dropna().to_numpy().min() >= 0
    assert log[REAL].dropna().to_numpy().max() <= 1
    monkeypatch.setitem(METHODS, "unidad", plain)
    train(spec, tmp_path / "plain", progress=False)
    assert REAL[0] not in pd.read_csv(tmp_path / "plain/training.csv")
    watched, other = (
        load_file(next((tmp_path / name / "model").rglob("*.safetensors")))
        for name in ("watched", "plain")
    )
    assert all(watched[name].equal(other[name]) for name in other)


@pytest.mark.parametrize(("bias", "share"), [(1.0, 1.0), (-1.0, 0.0)])
def test_a_verdict_is_the_share_of_logits_above_zero(plain, spec, bias, share):
    method = build_method(spec)
    for head in method.discriminator.heads.values():
        head.weight.data.zero_()
        head.bias.data.fill_(bias)
    assert method.verdicts(0, "cpu") == dict.fromkeys(REAL, share)


def test_one_figure_for_every_run_but_the_first(tmp_path, capsys):
    labels = ["all well", "goes wrong"]
    columns = [name for names in loss_curves.PANELS.values() for name in names]
    (tmp_path / "specs").mkdir()
    config = {"variants": {label: {} for label in labels}}
    (tmp_path / "specs/config.json").write_text(json.dumps(config))
    for label in labels:
        run = tmp_path / f"runs/babies/shots10/{label.replace(' ', '-')}/seed0"
        (run / "samples").mkdir(parents=True)
        log = pd.DataFrame({"iteration": [3, 6]} | {name: [1.0, 2.0] for name in columns})
        log.to_csv(run / "training.csv", index=False)
        about = {"updates": {"student": 2}, "iterations": 6}
        (run / "training.json").write_text(json.dumps(about))
        Image.new("RGB", (4 * 16 * 3, 4 * 16 * 3)).save(run / "samples/000002.png")
        assert loss_curves._updates(run, log).tolist() == [1, 2]
    loss_curves.main([str(tmp_path), str(tmp_path / "figures")])
    (path,) = (tmp_path / "figures").iterdir()
    assert path.name == "losses_goes_wrong.png"
    assert capsys.readouterr().out.strip() == str(path)
    assert Image.open(path).width == 1000


def test_a_strip_is_the_grid_s_first_images_in_their_own_size(tmp_path):
    cells = np.arange(16, dtype=np.uint8).reshape(4, 4)
    pixels = np.repeat(np.repeat(cells, 6, 0), 6, 1)  # 2x2 images, three times as large
    Image.fromarray(np.stack([pixels] * 3, -1)).save(tmp_path / "grid.png")
    strip = loss_curves._strip(tmp_path / "grid.png")
    assert strip.shape == (2, 16, 3)
    assert strip[0, ::2, 0].tolist() == list(range(8))
