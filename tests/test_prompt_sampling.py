import json

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from unidad import sampling
from unidad.config.evaluation import PromptGrid
from unidad.data.image_set import to_uint8
from unidad.diffusion.samplers import IndexedNoise
from unidad.errors import UserError
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.registry import load_backbone
from unidad.networks.text_to_image_folder import (
    load_codec,
    load_text_encoder,
)
from unidad.prompt_sampling import (
    FromPrompts,
    draw_grid,
    load_text_to_image_model,
)

PROMPTS = ("a prt cat", "a photo of a prt dog")


@pytest.fixture
def student(stable_diffusion, tmp_path):
    """The folder of a one-step model."""
    network = load_backbone(stable_diffusion, codec=load_codec(stable_diffusion))
    network.save(tmp_path / "student", "few_step", 1, text=load_text_encoder(stable_diffusion))
    return tmp_path / "student"


def grid(**changes) -> PromptGrid:
    return PromptGrid(**{"prompts": PROMPTS, "images_per_prompt": 3, "seed": 7} | changes)


def draw(model_folder, folder, nfe=None, **changes):
    model = load_text_to_image_model(model_folder)
    return draw_grid(model, grid(**changes), folder, nfe, progress=False)


def largest_gap(first, second) -> int:
    return int(np.abs(first.astype(int) - second).max())


def test_a_one_step_model_draws_what_diffusers_draws(student, tmp_path):
    """Prompt-major: image 4 is the second prompt's second."""
    images, cost = draw(student, tmp_path / "out")
    assert images.captions == (PROMPTS[0],) * 3 + (PROMPTS[1],) * 3
    pipeline = StableDiffusionPipeline.from_pretrained(student)
    pipeline.set_progress_bar_config(disable=True)
    latents = IndexedNoise(7, [4], (4, 8, 8))()
    expected = pipeline(
        PROMPTS[1], latents=latents, num_inference_steps=1, guidance_scale=0, output_type="np"
    ).images[0]
    assert expected.std() > 0.01
    assert largest_gap(images.images[4], np.round(expected * 255)) <= 1
    assert cost["nfe"] == 1


@torch.no_grad()
def test_a_many_step_model_draws_by_guided_ddim(stable_diffusion, tmp_path):
    """Two steps by hand, from the last timestep's noise level to the first's."""
    images, cost = draw(stable_diffusion, tmp_path / "out", 2, guidance_scale=3.0)
    network = load_backbone(stable_diffusion, codec=load_codec(stable_diffusion))
    text = load_text_encoder(stable_diffusion)
    with_prompt, without = text([PROMPTS[1]]), text([""])
    high, low = network.trained_levels[-1:], network.trained_levels[:1]
    x = high * IndexedNoise(7, [3], (4, 8, 8))()

    def x0(x, sigma):
        null = network(x, sigma, without)
        return null + 3.0 * (network(x, sigma, with_prompt) - null)

    first = x0(x, high)
    last = x0(first + low * (x - first) / high, low)
    expected = to_uint8(network.codec.decode(last))[0]
    assert largest_gap(images.images[3], expected) <= 1
    assert largest_gap(images.images[3], images.images[4]) > 1
    assert cost["nfe"] == 2


def test_without_guidance_the_scale_does_not_matter(student, tmp_path):
    weak, _ = draw(student, tmp_path / "weak", guidance_scale=1.0)
    strong, _ = draw(student, tmp_path / "strong", guidance_scale=9.0)
    assert np.array_equal(weak.images, strong.images)


def test_the_batch_does_not_change_the_images(student, tmp_path):
    one, _ = draw(student, tmp_path / "one", batch_size=1)
    four, _ = draw(student, tmp_path / "four", batch_size=4)
    assert largest_gap(one.images, four.images) <= 1


def test_the_images_lie_beside_as_files(student, tmp_path):
    images, _ = draw(student, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert names == [f"0{prompt}_0{number}.png" for prompt in (0, 1) for number in (0, 1, 2)]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "01_02.png")), images.images[5])


def test_only_missing_images_are_drawn(student, tmp_path, monkeypatch):
    whole, _ = draw(student, tmp_path / "out")
    marked = np.full((16, 16, 3), 9, np.uint8)
    Image.fromarray(marked).save(tmp_path / "out" / "00_01.png")
    (tmp_path / "out" / "01_00.png").unlink()
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(sampling, "now", lambda: next(clock))
    again, _ = draw(student, tmp_path / "out")
    assert np.array_equal(again.images[1], marked)
    assert largest_gap(again.images[3], whole.images[3]) <= 1
    assert np.array_equal(again.images[[0, 2, 4, 5]], whole.images[[0, 2, 4, 5]])


def change_weights(folder):
    path = folder / "unet" / WEIGHTS_NAME
    state = load_file(path)
    state["conv_out.bias"] += 1
    save_file(state, path)


@pytest.mark.parametrize("change", ["seed", "prompts", "model", "number"])
def test_images_of_something_else_are_drawn_anew(student, tmp_path, change):
    draw(student, tmp_path / "out", images_per_prompt=1)
    (tmp_path / "out" / "note.png").write_bytes(b"mine")
    changes = {
        "seed": {"seed": 8},
        "prompts": {"prompts": PROMPTS[::-1]},
        "model": {},
        "number": {"images_per_prompt": 2},
    }[change]
    if change == "model":
        change_weights(student)
    changes = {"images_per_prompt": 1} | changes
    found, _ = draw(student, tmp_path / "out", **changes)
    fresh, _ = draw(student, tmp_path / "fresh", **changes)
    assert np.array_equal(found.images, fresh.images)
    assert (tmp_path / "out" / "note.png").read_bytes() == b"mine"


def test_cost_by_hand(stable_diffusion, student, tmp_path, monkeypatch):
    """Six images in two batches of 2.5 s; guidance doubles an evaluation, not the decoder."""
    clock = iter([10.0, 12.5, 20.0, 22.5])
    monkeypatch.setattr(sampling, "now", lambda: next(clock))
    _, cost = draw(student, tmp_path / "out", batch_size=3)
    assert cost["images_per_second"] == 6 / 5
    _, resumed = draw(student, tmp_path / "out")
    assert resumed == cost
    model = load_text_to_image_model(stable_diffusion)
    plain, twice = (FromPrompts(model, grid(guidance_scale=1), nfe).flops() for nfe in (1, 2))
    guided = FromPrompts(model, grid(), 1).flops()
    evaluation, decoder = twice - plain, 2 * plain - twice
    assert guided == 2 * evaluation + decoder
    assert cost["gflops_per_image"] == pytest.approx((evaluation + decoder) / 1e9)
    assert min(evaluation, decoder) > 1e6


@pytest.mark.parametrize(
    ("scheduler", "one_step"),
    [
        ({"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}, True),
        ({"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "linspace"}, False),
        ({"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}, False),
        ({}, False),
    ],
)
def test_the_scheduler_tells_one_step_from_many(stable_diffusion, scheduler, one_step):
    path = stable_diffusion / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | scheduler))
    assert load_text_to_image_model(stable_diffusion).one_step == one_step


def test_a_one_step_model_takes_one_step(student, tmp_path):
    with pytest.raises(UserError, match="nfe 4: this model draws in one step"):
        draw(student, tmp_path / "out", 4)
    assert not (tmp_path / "out").exists()
