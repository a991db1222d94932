"""A fresh text-to-image model, and the export of many-step ones."""

from functools import partial

import pytest
import torch
from diffusers import StableDiffusionPipeline

from unidad.config.diffusion import Diffusion
from unidad.diffusion.samplers import sampler_of
from unidad.errors import UserError
from unidad.networks.guidance import guided
from unidad.networks.registry import load_backbone
from unidad.networks.text_to_image_folder import load_codec, load_text_encoder
from unidad.synthetic.new_text_to_image import new_text_to_image
from unidad.synthetic.recipes import NewTextToImage


@pytest.fixture
def new(stable_diffusion):
    """A model with the parts of a tiny pipeline, written into a folder."""

    def make(folder, vae=stable_diffusion / "vae", **settings):
        text = load_text_encoder(stable_diffusion)
        return new_text_to_image(vae, text, folder, NewTextToImage(**settings))

    return make


@pytest.fixture
def made(new, tmp_path):
    return new(tmp_path / "new", channels=(32, 64), seed=5), tmp_path / "new"


def test_every_block_attends_to_the_text(made):
    network, folder = made
    loaded = load_backbone(folder, codec=load_codec(folder))
    assert loaded.scheduler.config.prediction_type == "v_prediction"
    assert loaded.sigma_max == pytest.approx(14.6146, abs=1e-4)
    assert network.shape == (4, 8, 8)
    blocks = [*loaded.model.down_blocks, loaded.model.mid_block, *loaded.model.up_blocks]
    attended = [block.attentions[0].transformer_blocks[0].attn2.to_k for block in blocks]
    assert [k.in_features for k in attended] == [32] * 5
    assert [k.out_features for k in attended] == [32, 64, 64, 64, 32]
    assert all(torch.equal(t, network.state_dict()[n]) for n, t in loaded.state_dict().items())


def test_the_seed_decides_the_weights(made, new, tmp_path):
    network, _ = made
    again, other = (new(tmp_path / str(s), channels=(32, 64), seed=s) for s in (5, 6))
    weights = [net.model.conv_in.weight for net in (network, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@torch.no_grad()
def test_diffusers_alone_draws_what_our_sampler_draws(made):
    """Five guided steps over Karras levels; a fraction of a timestep apart."""
    network, folder = made
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    text = load_text_encoder(folder)
    eps = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    drawn = pipeline(
        ["a cat", "a dog"],
        num_inference_steps=5,
        guidance_scale=3.0,
        latents=eps,
        output_type="latent",
    ).images
    diffusion = network.noise_process(Diffusion(spacing="timesteps"))
    sampler, levels = sampler_of("ddim", 5, diffusion)
    net = partial(guided(network, text([""]), 3.0), condition=text(["a cat", "a dog"]))
    expected = sampler(net, levels, lambda: eps)
    assert (drawn - expected).abs().max() < 0.05 * expected.std()
    assert (expected[0] - expected[1]).abs().max() > expected.std()


@pytest.mark.parametrize("channels", [(48,), (32, 80)])
def test_unfit_channels_are_one_clear_line(new, tmp_path, channels):
    with pytest.raises(UserError, match="give multiples of 32"):
        new(tmp_path / "new", channels=channels)


def test_a_missing_autoencoder_is_one_clear_line(new, tmp_path):
    with pytest.raises(UserError, match="no such file; an autoencoder's folder holds"):
        new(tmp_path / "new", vae=tmp_path / "none")
