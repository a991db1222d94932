"""What the doctor finds in a folder where some of an experiment's files are."""

import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from adm_reference import Adm, random_state
from packaging.requirements import Requirement
from PIL import Image

from unidad import doctor
from unidad.doctor import MISSING, NOTE, OK, Finding, examine
from unidad.features import photo

HASH = "0" * 64
REMOTE = {"url": "https://server/faces.zip", "sha256": HASH}
CONFIG = {
    "experiment": "x",
    "resolution": 256,
    "source_teacher": "models/ffhq.pt",
    "feature_network": "published",
    "targets": {"mine": {"folder": "photos", "reference": "others.zip"}},
    "shots": [1, 3],
    "variants": {"FT": {"method": "finetune", "nfe": 5}},
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNIDAD_WEIGHTS", "weights")


def found(**changes) -> dict[str, Finding]:
    Path("c.yaml").write_text(yaml.safe_dump(CONFIG | changes))
    return {finding.topic: finding for finding in examine(Path("c.yaml"))}


def photos(count):
    Path("photos").mkdir(exist_ok=True)
    for i in range(count):
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(f"photos/{i}.png")


def test_nothing_is_there():
    findings = found()
    expected = {"environment": OK, "configuration": OK, "feature_network": OK}
    expected |= dict.fromkeys(["source_teacher", "mine.folder", "mine.reference"], MISSING)
    expected |= {"weights": MISSING, "GPU": findings["GPU"].state, "disk": OK, "packages": OK}
    assert {topic: finding.state for topic, finding in findings.items()} == expected
    assert str(findings["source_teacher"]) == (
        "missing source_teacher: models/ffhq.pt is not there; docs/paper.md tells where to get it"
    )
    assert "vgg16-397923af.pth is not there; download https://" in findings["weights"].text


def test_the_network_for_photographs_is_opened(monkeypatch):
    pytest.importorskip("timm")
    pytest.importorskip(photo.PACKAGE)
    assert (
        str(found(feature_network="photo")["feature_network"]) == "ok      feature_network: photo"
    )
    monkeypatch.setattr(photo, "PACKAGE", "not_installed")
    finding = found(feature_network="photo")["feature_network"]
    assert finding.state == MISSING
    assert finding.text.endswith(
        "not_installed is not installed; `pip install 'unidad[photo]'` brings it"
    )


def test_everything_is_there():
    photos(3)
    Path("models").mkdir()
    torch.save(random_state(Adm()), "models/ffhq.pt")
    Path("others.zip").write_bytes(b"0")
    Path("weights").mkdir()
    for name in ("pt_inception-2015-12-05-6726825d.pth", "vgg16-397923af.pth"):
        Path("weights", name).write_bytes(b"0")
    findings = found()
    assert MISSING not in {finding.state for finding in findings.values()}
    assert findings["mine.folder"].text == "photos: 3 images"
    assert findings["mine.reference"].text == "others.zip"


def test_too_few_images_and_a_folder_under_dvc():
    photos(2)
    few = found()["mine.folder"]
    assert (few.state, few.text) == (
        MISSING,
        "photos: 2 images, 3 are wanted; add some, or lower 'shots'",
    )
    shutil.rmtree("photos")
    Path("photos").mkdir()
    assert "photos: no images in this folder" in found()["mine.folder"].text
    shutil.rmtree("photos")
    Path("photos.dvc").write_text("outs: []")
    assert found()["mine.folder"].text == "photos is not there; dvc pull photos.dvc"


def test_named_shots_are_looked_for():
    photos(3)
    target = CONFIG["targets"]["mine"] | {"shots_files": ["2.png", "a.png", "b.png"]}
    finding = found(targets={"mine": target})["mine.shots_files"]
    assert str(finding) == (
        "missing mine.shots_files: photos: no a.png, b.png; correct the names, or add these images"
    )
    target["shots_files"] = ["2.png", "0.png", "1.png"]
    assert "mine.shots_files" not in found(targets={"mine": target})


def test_downloads_are_announced(monkeypatch):
    monkeypatch.delenv("UNIDAD_WEIGHTS")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "hub")
    findings = found(targets={"mine": {"folder": REMOTE}})
    expected = "https://server/faces.zip will be downloaded to data/downloads/0000000000000000"
    assert (findings["mine.folder"].state, findings["mine.folder"].text) == (NOTE, expected)
    assert findings["weights"].state == NOTE
    Path("data/downloads").mkdir(parents=True)
    Path("data/downloads", "0" * 16).write_bytes(b"0")
    assert found(targets={"mine": {"folder": REMOTE}})["mine.folder"].state == OK


def test_a_wrong_configuration_is_a_line_for_each_mistake():
    Path("c.yaml").write_text(yaml.safe_dump(CONFIG | {"shots": [0], "seeds": []}))
    lines = [str(f) for f in examine(Path("c.yaml")) if f.state == MISSING]
    assert [line.split(": ")[2] for line in lines] == ["shots.0", "seeds"]
    assert lines[0].startswith("missing configuration: c.yaml, line 5: shots.0: Input should be")


def test_more_than_the_disk_holds():
    findings = found(evaluation={"samples": 10**6}, seeds=list(range(1000)))
    assert findings["disk"].state == MISSING
    assert found()["disk"].state == OK


def test_networks_of_a_protocol_of_personalisation(monkeypatch):
    subjects = {
        "targets": {"mine": {"folder": "photos", "class_word": "cat"}},
        "personalisation": {"protocol": "unidad", "student_unet": "unet.safetensors"}
        | {"fake_score_weights": "fake.bin"},
        "source_student": "models/sd",
        "feature_network": "shipped",
        "diffusion": {"spacing": "timesteps"},
    }
    findings = found(**subjects)
    missing = (
        "weights/dino-vits16 is not there; hf download facebook/dino-vits16 --local-dir weights"
    )
    assert (findings["weights"].state, findings["weights"].text[: len(missing)]) == (
        MISSING,
        missing,
    )
    assert findings["source_student"].state == MISSING
    assert findings["personalisation.student_unet"].state == MISSING
    assert str(findings["personalisation.fake_score_weights"]) == (
        "missing personalisation.fake_score_weights: fake.bin is not there; "
        "docs/paper.md tells where to get it"
    )
    Path("weights/dino-vits16").mkdir(parents=True)
    Path("weights/dino-vits16/config.json").write_text("{}")
    assert found(**subjects)["weights"].state == OK
    monkeypatch.delenv("UNIDAD_WEIGHTS")
    assert found(**subjects)["weights"].state == NOTE


def test_the_shipped_networks_are_there():
    shipped = found(source_teacher="shipped", feature_network="shipped")
    assert shipped["source_teacher"].state == shipped["feature_network"].state == OK
    assert "weights" not in shipped


@pytest.mark.parametrize(
    ("changes", "topic", "text"),
    [
        ({"source_teacher": "/etc/passwd"}, "source_teacher", "/etc/passwd: no such folder of a"),
        ({"feature_network": "photos"}, "feature_network", "photos/unet/config.json: no such file"),
        ({"feature_network": ""}, "configuration", "feature_network: Input should be a text that"),
    ],
)
def test_what_it_vouches_for_is_opened(changes, topic, text):
    photos(3)
    finding = found(**changes)[topic]
    assert finding.state == MISSING
    assert text in finding.text


def test_words_and_networks_of_a_subject():
    photos(3)
    echo = {"method": "echodistill", "nfe": 1, "features": {"clip": "shipped", "lens": "shipped"}}
    echo["prompt_templates"] = "mine.txt"
    read = echo | {"features": {"clip": "shipped"}, "prompt_templates": "textual_inversion"}
    findings = found(
        **{"source_teacher": "shipped", "source_student": "shipped", "feature_network": "shipped"},
        resolution=32,
        shots=[1],
        targets={"mine": {"folder": "photos", "class_word": "cat"}},
        personalisation={"rare_token": "xyzzy"},
        variants={"Echo": echo, "read": read},
    )
    states = {topic: finding.state for topic, finding in findings.items()}
    assert states["source_student"] == states["targets.mine"] == OK
    token = findings["personalisation.rare_token"]
    assert token.state == MISSING
    assert "'xyzzy' is not one token but x + y + z + z + y; choose a word" in token.text
    assert states["variants.Echo.features.clip"] == OK
    assert states["variants.Echo.features.lens"] == MISSING
    assert "only clip and encoder are shipped" in findings["variants.Echo.features.lens"].text
    assert states["variants.read.prompt_templates"] == OK
    assert states["variants.Echo.prompt_templates"] == MISSING
    assert "mine.txt: No such file" in findings["variants.Echo.prompt_templates"].text


def test_packages_are_held_against_what_is_wanted():
    numpy = metadata.version("numpy")
    wanted = ["numpy>=1", "numpy<1", "no-such-package", "other-package ; python_version < '3'"]
    assert doctor._differences([Requirement(line) for line in wanted]) == {
        "numpy": f"numpy {numpy}, not <1",
        "no-such-package": "no-such-package is not installed",
    }


def test_a_lock_that_differs_is_a_note(tmp_path, monkeypatch):
    (tmp_path / "requirements.lock").write_text("numpy==0.1\nno-such-package==1\n")
    monkeypatch.setattr(doctor, "LOCK", tmp_path / "requirements.lock")
    finding = found()["packages"]
    assert finding.state == NOTE
    assert "2 are not as in requirements.lock: numpy " in finding.text
