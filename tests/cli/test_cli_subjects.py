"""A subject of one's own: every mistake is one clear line, before anything is written."""

from pathlib import Path

import pytest
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file
from specifications import whole

from unidad.networks.folder import WEIGHTS_NAME

RAW = {
    "experiment": "mine",
    "shots": [1],
    "personalisation": {},
    "targets": {"mycat": {"folder": "photos", "class_word": "cat"}},
    "variants": {"FT": {"method": "finetune", "nfe": 5}},
}
DATA = "results/mine/specs/data/mycat.json"


def configuration(**changes) -> Path:
    Path("mine.yaml").write_text(yaml.safe_dump(RAW | changes))
    return Path("mine.yaml")


@pytest.fixture
def planned(told):
    """The subject's specifications are there, its folder is not."""
    assert told("plan", "--config", configuration(), "--write")[2] == []


def test_a_missing_folder(planned, complains, told):
    prepare = ("prepare", "--settings", DATA, "--out", "data")
    complains(prepare, "photos: no such folder of images; check the path")
    status, out, err = told("doctor", "--config", "mine.yaml")
    assert (status, err) == (1, [])
    assert "missing mycat.folder: photos is not there" in "\n".join(out)


def test_a_photo_that_is_none(planned, complains, image_set):
    prepare = ("prepare", "--settings", DATA, "--out", "data")
    Path("photos").mkdir()
    Path("photos/1.jpg").write_text("no photo")
    complains(prepare, "photos/1.jpg: not an image of a known format")
    Image.fromarray(image_set.images[0]).save("photos/1.jpg")
    whole = Path("photos/1.jpg").read_bytes()
    Path("photos/1.jpg").write_bytes(whole[: len(whole) // 2])
    complains(prepare, "photos/1.jpg: cannot be decoded", "copy it again or take it out")


def test_a_prompt_without_the_subject_s_slot(told):
    Path("prompts.txt").write_text("a {} on the beach\n\na cat at sea\n")
    config = configuration(personalisation={"prompts": "prompts.txt"})
    status, _, err = told("plan", "--config", config, "--write")
    found = (
        "personalisation.prompts: prompts.txt, line 3: no slot for the subject in 'a cat at sea'; "
        "write {} in it once"
    )
    assert (status, err) == (2, [f"unidad plan: {found}"])
    assert not Path("results").exists()


def test_a_class_word_that_the_tokenizer_splits(make_subject_spec, complains):
    prompts = {"class_word": "zebra", "target": "a prt zebra", "source": "a zebra"}
    spec = make_subject_spec("finetune", settings={"prompts": prompts})
    Path("spec.json").write_text(whole(spec))
    found = "prompts.class_word 'zebra': 'zebra' is not one token but z + e + b + r + a; choose"
    complains(("train", "spec.json", "--out", "run", "--quiet"), found)


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_weights_of_the_wrong_shape(make_subject_spec, stable_diffusion, complains, part):
    Path("spec.json").write_text(whole(make_subject_spec("dmd2")))
    file = stable_diffusion / part / WEIGHTS_NAME
    state = load_file(file)
    name = {"unet": "conv_in.weight", "vae": "encoder.conv_in.weight"}[part]
    save_file(state | {name: state[name][:7].contiguous()}, file)
    words = (f"{part}/{WEIGHTS_NAME}", f"another architecture: '{name}' is (7, ")
    complains(("place", stable_diffusion, "--out", "x"), *words)
    complains(("train", "spec.json", "--out", "run", "--quiet"), *words)
    complains(("sample", stable_diffusion, "--prompt", "a", "--out", "i.npz", "--quiet"), *words)
