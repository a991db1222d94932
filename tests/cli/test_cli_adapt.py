"""`unidad adapt`: mistakes are one line each; a configuration that was begun is gone on with."""

import numpy as np
import pytest
from PIL import Image

ADAPT = ("adapt", "photos", "--out", "out")


@pytest.fixture
def photos(here, tmp_path):
    """Five pictures that differ."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(5):
        pixels = np.random.default_rng(i).integers(0, 255, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def test_every_photo_that_will_not_do_is_a_line(photos, told):
    (photos / "5.png").write_bytes((photos / "4.png").read_bytes()[:90])
    (photos / "6.png").write_bytes((photos / "1.png").read_bytes())
    status, _, err = told(*ADAPT)
    lines = [line for line in err if line.startswith("unidad adapt: ")]
    assert status == 2
    assert len(lines) == 2
    assert "photos/5.png: cannot be decoded" in lines[0]
    assert "1.png and 6.png have the same pixels; keep one of them" in lines[1]
    assert not (photos.parent / "out").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--steps", "0"), "--steps must be at least 1, got 0"),
        (("--class-word", "cat", "--steps", "2"), "--steps: a text-to-image student draws in 1"),
        (("--base", "nowhere"), "--base: nowhere: no such folder of a model"),
        (("--base", "ffhq.pt"), "ffhq.pt: a checkpoint; `unidad import-adm ffhq.pt"),
    ],
)
def test_options_that_will_not_do(photos, told, more, words):
    status, _, err = told(*ADAPT, *more)
    assert status == 2
    assert err[-1].startswith(f"unidad adapt: {words}")


def test_a_model_that_reads_text_wants_a_word_and_another_none(photos, complains, stable_diffusion):
    complains((*ADAPT, "--base", stable_diffusion), "reads text; say what is in the photos")


def test_a_word_for_a_model_that_reads_none(photos, complains, model_folder):
    complains((*ADAPT, "--base", model_folder, "--class-word", "cat"), "reads no text")


def test_one_photo_is_too_few(photos, told):
    for i in range(1, 5):
        (photos / f"{i}.png").unlink()
    assert told(*ADAPT)[2] == ["unidad adapt: photos: 1 image; ten are wanted, two the least"]


def test_a_configuration_changed_by_hand_is_kept(photos, told, tmp_path):
    """What was typed before goes on with it; other options would undo the change."""
    begin = (*ADAPT, "--class-word", "cat", "--only-config")
    assert told(*begin)[0] == 0
    config = tmp_path / "out/config.yaml"
    config.write_text(config.read_text().replace("batch_size: 4", "batch_size: 2"))
    status, out, _ = told(*begin)
    assert (status, out[0]) == (0, "goes on with out/config.yaml, as you changed it")
    assert "batch_size: 2" in config.read_text()
    status, _, err = told(*begin, "--compare")
    assert status == 2
    assert err[0].startswith("unidad adapt: out/config.yaml: was changed by hand")


def test_other_options_write_another_configuration(photos, told, tmp_path):
    begin = (*ADAPT, "--class-word", "cat", "--only-config")
    assert told(*begin)[0] == 0
    assert "goes on with out/config.yaml" in told(*begin)[1]
    assert told(*begin, "--compare")[0] == 0
    assert "FT-DMD2" in (tmp_path / "out/config.yaml").read_text()
