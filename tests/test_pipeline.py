"""What is exported draws what the evaluation drew."""

import json
import math

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import dynamic_modules_utils

from unidad import pipeline as pipeline_file
from unidad.config.diffusion import Diffusion
from unidad.diffusion.samplers import sampler_of
from unidad.errors import UserError
from unidad.networks.unet import UNet
from unidad.pipeline import UnidadPipeline
from unidad.sampling import load_image_model, sample

DIFFUSION = {"sigma_max": 40.0, "rho": 5.0, "student_sigma_max": 20.0, "student_sigma_min": 0.25}
NFE = {"few_step": 3, "ddim": 4, "heun": 5}


@pytest.fixture
def export(network, tmp_path):
    """Write a model folder with noise levels that are not the defaults."""

    def write(sampler="few_step", nfe=None, **diffusion):
        folder = tmp_path / f"{sampler}{nfe}"
        diffusion = DIFFUSION | diffusion
        network.save(folder, sampler, nfe or NFE[sampler], Diffusion(**diffusion))
        return folder

    return write


def drawn(pipeline, count=5, seed=7, **options) -> np.ndarray:
    return pipeline(batch_size=count, seed=seed, output_type="np", **options).images


def evaluation(folder, count=5, seed=7, **options) -> np.ndarray:
    return sample(load_image_model(folder), count, seed, progress=False, **options)[0].images


def noises(seed, index, draws):
    generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
    return [torch.randn((12, 8, 8), generator=generator) for _ in range(draws)]


def as_image(x0) -> np.ndarray:
    """2x2 blocks of 12 channels → 3x16x16 → rounded levels."""
    blocks = x0.reshape(3, 2, 2, 8, 8).permute(0, 3, 1, 4, 2).reshape(3, 16, 16)
    return ((blocks.clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0).byte().numpy()


@torch.no_grad()
def test_few_step_images_by_hand(export, network):
    """z at 20; x0; fresh noise to sqrt(20 * 0.25) and to 0.25: the third x0 is the image."""
    found = drawn(UnidadPipeline.from_pretrained(export("few_step")))
    sigmas = [20, math.sqrt(20 * 0.25), 0.25]
    for index in range(5):
        x0 = torch.zeros(12, 8, 8)
        for sigma, eps in zip(sigmas, noises(7, index, 3), strict=True):
            x0 = network((x0 + sigma * eps)[None], torch.tensor([float(sigma)]))[0]
        assert np.abs(found[index].astype(int) - as_image(x0)).max() <= 1
    assert found.std() > 20


@torch.no_grad()
@pytest.mark.parametrize("sampler", ["ddim", "heun"])
def test_many_step_images_are_those_of_the_sampler_at_the_stored_levels(export, network, sampler):
    found = drawn(UnidadPipeline.from_pretrained(export(sampler)))
    draw, levels = sampler_of(sampler, NFE[sampler], Diffusion(**DIFFUSION))
    assert levels[0] == 40
    for index in range(5):
        x0 = draw(network, levels, lambda i=index: noises(7, i, 1)[0][None])[0]
        assert np.abs(found[index].astype(int) - as_image(x0)).max() <= 1
    assert found.std() > 20


@pytest.mark.parametrize("sampler", NFE)
def test_same_seed_same_images_whatever_the_batch_and_the_way_of_loading(
    export, sampler, tmp_path, monkeypatch
):
    folder = export(sampler)
    expected = evaluation(folder)
    for batch_size in (1, 2):
        difference = np.abs(evaluation(folder, batch_size=batch_size).astype(int) - expected)
        assert difference.max() <= 1
        assert difference.mean() < 1e-3
    loaded = UnidadPipeline.from_pretrained(folder)
    assert np.array_equal(drawn(loaded), expected)
    loaded.save_pretrained(tmp_path / "again")
    assert np.array_equal(drawn(UnidadPipeline.from_pretrained(tmp_path / "again")), expected)
    monkeypatch.setattr(dynamic_modules_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    by_file = DiffusionPipeline.from_pretrained(
        folder, custom_pipeline=pipeline_file.__file__, trust_remote_code=True
    )
    assert type(by_file).__name__ == "UnidadPipeline"
    assert np.array_equal(drawn(by_file), expected)


def test_seed_and_index_choose_the_image(export):
    pipeline = UnidadPipeline.from_pretrained(export())
    images = drawn(pipeline)
    assert np.array_equal(drawn(pipeline, indices=[3, 1]), images[[3, 1]])
    assert len({image.tobytes() for image in images}) == 5
    assert (drawn(pipeline, seed=8) != images).mean() > 0.5


def test_sampler_and_levels_travel_in_the_export(export):
    index = json.loads((export("heun", 7) / "model_index.json").read_text())
    assert (index["sampler"], index["nfe"]) == ("heun", 7)
    assert index["diffusion"].items() >= DIFFUSION.items()
    assert index["_class_name"] == "UnidadPipeline"


@pytest.mark.parametrize(
    ("sampler", "level"),
    [
        ("few_step", {"student_sigma_max": 5.0}),
        ("few_step", {"student_sigma_min": 2.0}),
        ("ddim", {"sigma_max": 5.0}),
        ("ddim", {"sigma_min": 1.0}),
        ("heun", {"rho": 1.0}),
    ],
)
def test_another_level_draws_other_images(export, sampler, level):
    first = evaluation(export(sampler))
    assert (evaluation(export(sampler, **level)) != first).mean() > 0.05


@pytest.mark.parametrize("sampler", NFE)
def test_nfe_of_the_call_goes_before_that_of_the_training(export, sampler):
    nfe = NFE[sampler] + 2
    pipeline = UnidadPipeline.from_pretrained(export(sampler))
    calls = []
    pipeline.unet.register_forward_hook(lambda *_: calls.append(1))
    more = drawn(pipeline, nfe=nfe)
    assert len(calls) == nfe
    assert np.array_equal(more, drawn(UnidadPipeline.from_pretrained(export(sampler, nfe))))
    calls.clear()
    assert not np.array_equal(more, drawn(pipeline))
    assert len(calls) == NFE[sampler]


@pytest.mark.parametrize(("sampler", "nfe"), [("heun", 4), ("few_step", 0), ("ddim", 0)])
def test_an_nfe_that_the_sampler_cannot_spend(export, sampler, nfe):
    with pytest.raises(UserError, match="nfe"):
        drawn(UnidadPipeline.from_pretrained(export(sampler)), nfe=nfe)


def test_pictures_are_the_arrays(export):
    pipeline = UnidadPipeline.from_pretrained(export())
    images = drawn(pipeline, 2)
    assert images.dtype == np.uint8
    assert images.shape == (2, 16, 16, 3)
    pictures = pipeline(batch_size=2, seed=7).images
    assert np.array_equal(np.stack([np.asarray(picture) for picture in pictures]), images)
    (as_tuple,) = pipeline(batch_size=2, seed=7, output_type="np", return_dict=False)
    assert np.array_equal(as_tuple, images)


def test_bfloat16_weights_draw_nearly_the_same(export):
    folder = export()
    full = drawn(UnidadPipeline.from_pretrained(folder)).astype(int)
    half = UnidadPipeline.from_pretrained(folder)
    half.unet.bfloat16()
    assert half.dtype == torch.bfloat16
    difference = np.abs(drawn(half) - full)
    assert 0 < difference.mean() < 2


def test_a_network_of_plain_pixels_and_learned_variance(tmp_path):
    """Six output channels for three: the second half is ignored."""
    from diffusers import DDPMScheduler, UNet2DModel

    torch.manual_seed(1)
    unet = UNet2DModel(
        sample_size=8,
        in_channels=3,
        out_channels=6,
        block_out_channels=(16,),
        layers_per_block=1,
        down_block_types=["DownBlock2D"],
        up_block_types=["UpBlock2D"],
        norm_num_groups=8,
    )
    scheduler = DDPMScheduler(prediction_type="epsilon")
    UnidadPipeline(unet, scheduler, "few_step", 1).save_pretrained(tmp_path / "m")
    images = evaluation(tmp_path / "m", 2)
    network = UNet(unet, scheduler)
    generator = torch.Generator().manual_seed(7 * 1_000_003)
    z = 2.5 * torch.randn((1, 3, 8, 8), generator=generator)
    with torch.no_grad():
        eps = unet(z / math.sqrt(1 + 2.5**2), network.timesteps(torch.tensor([2.5]))).sample[:, :3]
    expected = (((z - 2.5 * eps).clamp(-1, 1) + 1) * 127.5).round().byte()
    expected = expected[0].permute(1, 2, 0).numpy().astype(int)
    assert images.shape == (2, 8, 8, 3)
    assert np.abs(images[0] - expected).max() <= 1


@pytest.mark.parametrize("name", ["unet/config.json", "scheduler/scheduler_config.json"])
def test_a_misspelled_key_is_no_default(export, name):
    """diffusers passes over keys that it does not know, and takes their defaults."""
    folder = export()
    text = (folder / name).read_text()
    key = {"unet/config.json": "attention_head_dim"}.get(name, "prediction_type")
    (folder / name).write_text(text.replace(key, "q" + key[1:], 1))
    with pytest.raises(UserError, match="its content has changed since it was written"):
        load_image_model(folder)


def test_diffusers_reads_sealed_files_without_a_word(export, caplog):
    drawn(UnidadPipeline.from_pretrained(export()))
    assert "_crc32" not in caplog.text
