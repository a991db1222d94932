"""`unidad adapt` for real, at toy size: from photos through the real workflow to a model."""

import json
import subprocess

import numpy as np
import pytest
import yaml
from checkouts import warm_environment
from PIL import Image

from unidad.data.image_set import ImageSet
from unidad.networks.unet import new_network
from unidad.sampling import ImageModel

pytestmark = pytest.mark.workflow
ADAPT = ("python", "-m", "unidad", "adapt", "photos", "--out", "my-model")
OPTIONS = ("--base", "base", "--updates", "4", "--steps", "2", "--crop", "smart")


def adapt(checkout, *options):
    """In the copy of the project, forked as other workflow tests are; its lines."""
    run = subprocess.run(
        [*ADAPT, *options], cwd=checkout, env=warm_environment(), capture_output=True, text=True
    )
    return run.returncode, run.stdout.splitlines(), run.stderr


@pytest.fixture(scope="module")
def adapted(checkout):
    ImageModel(new_network(16, 2, (32, 32)), "ddim", 3).save(checkout / "base")
    photos = checkout / "photos"
    photos.mkdir()
    for i in range(5):
        pixels = np.random.default_rng(i).integers(0, 255, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(photos / f"{i}.png")
    status, out, err = adapt(checkout, *OPTIONS)
    assert status == 0, err
    return checkout / "my-model", out, err


def test_model_page_and_configuration_are_named_and_there(adapted, checkout):
    folder, out, err = adapted
    told = dict(line.split(":", 1) for line in out if ":" in line)
    for name in ("model", "page", "pictures", "configuration"):
        assert (checkout / told[name].strip()).exists()
    assert (
        "sha256 of diffusion_pytorch_model.safetensors" in (folder / "model/README.md").read_text()
    )
    assert err.splitlines()[-1] == "100% done"
    assert not (checkout / "results").exists()


def test_the_three_lines_draw(adapted, checkout, monkeypatch):
    _, out, _ = adapted
    lines = [line.strip() for line in out if line.startswith("    ")]
    assert len(lines) == 3
    monkeypatch.chdir(checkout)
    exec("\n".join(lines), {})
    assert Image.open(checkout / "one.png").size == (16, 16)


def test_it_trained_what_was_asked_for(adapted):
    folder, _, _ = adapted
    run = folder / "results/my-model/runs/photos/shots5/uni-dad/seed0"
    assert json.loads((run / "training.json").read_text())["updates"]["student"] == 4
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["targets"]["photos"]["crop"] == "smart"
    data = folder / "results/my-model/data/photos"
    assert ImageSet.load(data / "shots5.npz").images.shape == (5, 16, 16, 3)
    assert json.loads((data / "manifest.json").read_text())["crop"] == "smart"
    assert Image.open(data / "contact_sheet.png").height > 2 * 64


def test_typed_again_nothing_is_done_twice(adapted, checkout):
    folder, _, _ = adapted
    model = folder / "results/my-model/runs/photos/shots5/uni-dad/seed0/training.json"
    before = model.stat().st_mtime_ns
    status, out, _ = adapt(checkout, *OPTIONS)
    assert (status, out[0]) == (0, "goes on with my-model/config.yaml")
    assert model.stat().st_mtime_ns == before
    assert "Nothing to be done" in (folder / "adapt.log").read_text()


def test_a_step_that_fails_is_told_in_its_own_words(adapted, checkout):
    """A photo that is gone is no file of the rule; one that became another text is."""
    (checkout / "photos/0.png").write_text("no picture")
    status, _, err = adapt(checkout, *OPTIONS)
    assert status == 2
    assert "unidad prepare: " in err
    assert "0.png: not an image of a known format" in err
    assert "Traceback" not in err
