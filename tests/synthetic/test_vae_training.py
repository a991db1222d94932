"""The autoencoder's loss and scale by hand; what is written is what was trained."""

import hashlib

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from safetensors.torch import load_file

from unidad.data.image_set import to_tensor
from unidad.errors import UserError
from unidad.networks.folder import WEIGHTS_NAME
from unidad.synthetic import vae_training
from unidad.synthetic.descent import Making
from unidad.synthetic.recipes import AutoencoderTraining
from unidad.synthetic.scenes import render, source_scenes
from unidad.synthetic.vae_training import (
    HELD_OUT_START,
    new_vae,
    peak_signal_to_noise,
    train,
    vae_loss,
)


def test_loss_by_hand():
    """One pixel off by 0.5: edges 0.5 to two neighbours; KL of N(1, 1) is 1/2 a latent."""
    images = torch.zeros(1, 1, 2, 2)
    decoded = torch.tensor([[[[0.5, 0.0], [0.0, 0.0]]]])
    mean, log_variance = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    posterior = DiagonalGaussianDistribution(torch.cat([mean, log_variance], 1))
    expected = 0.5 / 4 + 0.25 / 4 + 0.5 / 2 + 0.5 / 2 + 1e-3 * 0.5
    assert vae_loss(decoded, images, posterior, 1e-3).item() == pytest.approx(expected, rel=1e-5)


def test_signal_to_noise_by_hand():
    """An error of 0.2 everywhere, of a range of 2: 20 dB."""
    assert peak_signal_to_noise(torch.full((2, 3), 0.2), torch.zeros(2, 3)) == pytest.approx(20)


def test_training_writes_scaled_latents_and_a_card_the_same_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(vae_training, "HELD_OUT_IMAGES", 6)
    monkeypatch.setattr(vae_training, "BATCH", 2)
    tiny = AutoencoderTraining(seed=1, updates=2, scenes=4)
    psnr = [train(tiny, Making(tmp_path / n, 16, False, "unidad x")) for n in "ab"]
    first, second = (load_file(tmp_path / name / WEIGHTS_NAME) for name in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)
    torch.manual_seed(1)
    fresh = new_vae(16).state_dict()
    assert not torch.equal(first["encoder.conv_in.weight"], fresh["encoder.conv_in.weight"])

    vae = AutoencoderKL.from_pretrained(tmp_path / "a")
    indices = range(HELD_OUT_START, HELD_OUT_START + 6)
    images = to_tensor(render(source_scenes(1, indices), 16))
    with torch.no_grad():
        latents = vae.encode(images).latent_dist.mean
        decoded = vae.decode(latents).sample.clamp(-1, 1)
    assert latents.shape == (6, 8, 4, 4)
    assert (latents * vae.config.scaling_factor).std().item() == pytest.approx(1, rel=1e-4)
    error = (decoded - images).square().mean()
    assert psnr[0] == psnr[1] == pytest.approx(10 * torch.log10(4 / error).item(), abs=0.01)

    card = (tmp_path / "a" / "README.md").read_text()
    digest = hashlib.sha256((tmp_path / "a" / WEIGHTS_NAME).read_bytes()).hexdigest()
    for fact in ("`unidad x`", "seed: 1", "updates: 2 of 2 of 4", f"{psnr[0]:.2f} dB", digest):
        assert fact in card
    assert (tmp_path / "a" / "reconstructions.png").is_file()


def test_an_impossible_resolution_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="resolution 20 is not a multiple of 16"):
        train(AutoencoderTraining(updates=1), Making(tmp_path / "x", 20, False))
    assert not (tmp_path / "x").exists()
