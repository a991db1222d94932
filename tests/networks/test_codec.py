import pytest
import torch
from diffusers import AutoencoderKL

from unidad.networks.codec import LatentCodec

SCALING = 0.18215
"""Stable Diffusion 1's factor, the default of AutoencoderKL."""


@pytest.fixture
def images():
    return torch.rand(2, 3, 16, 16) * 2 - 1


def with_shift(vae: AutoencoderKL, shift: float) -> AutoencoderKL:
    other = AutoencoderKL(
        **{k: v for k, v in vae.config.items() if k[0] != "_"} | {"shift_factor": shift}
    )
    other.load_state_dict(vae.state_dict())
    return other


def test_latents_are_the_scaled_posterior_mean(tiny_vae, images):
    codec = LatentCodec(tiny_vae)
    latents = codec.encode(images)
    mean, _ = tiny_vae.quant_conv(tiny_vae.encoder(images)).chunk(2, dim=1)
    assert latents.shape == (2, 4, 8, 8)
    assert (codec.channels, codec.factor) == (4, 2)
    assert torch.allclose(latents, mean * SCALING, atol=1e-6)


def test_a_sample_of_the_posterior_follows_its_generator(tiny_vae, images):
    codec = LatentCodec(tiny_vae, "sample")
    drawn = codec.encode(images, torch.Generator().manual_seed(3))
    mean, log_variance = tiny_vae.quant_conv(tiny_vae.encoder(images)).chunk(2, dim=1)
    eps = torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(drawn, (mean + (log_variance / 2).exp() * eps) * SCALING, atol=1e-6)


def test_decode_undoes_scaling_and_shift(tiny_vae, images):
    codec = LatentCodec(with_shift(tiny_vae, 0.3))
    mean = tiny_vae.encode(images).latent_dist.mean
    latents = codec.encode(images)
    assert torch.allclose(latents, (mean - 0.3) * SCALING, atol=1e-6)
    assert torch.allclose(codec.decode(latents), tiny_vae.decode(mean).sample, atol=1e-5)


def test_gradients_pass_through_the_frozen_autoencoder(tiny_vae, images):
    codec = LatentCodec(tiny_vae)
    images.requires_grad_(True)
    codec.decode(codec.encode(images)).sum().backward()
    assert images.grad.abs().sum() > 0
    assert all(p.grad is None for p in tiny_vae.parameters())
