import numpy as np
import pytest
import torch

from unidad.data.image_set import to_tensor
from unidad.networks.codec import LatentCodec, PixelUnshuffle
from unidad.training.images import TrainingImages

CPU = torch.device("cpu")


@pytest.fixture
def images():
    return np.random.default_rng(1).integers(0, 256, (11, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(params=["pixels", "latents"])
def codec(request, tiny_vae):
    return PixelUnshuffle(2) if request.param == "pixels" else LatentCodec(tiny_vae)


def neighbour(x0, candidates):
    """Index of the candidate (M, ...) that each of x0 (N, ...) equals."""
    distances = (x0[:, None] - candidates).abs().flatten(2).amax(2)
    assert distances.min(1).values.max() < 1e-3
    return distances.argmin(1)


@torch.no_grad()
def test_draws_are_the_images_and_their_mirror_images(images, codec):
    """40 draws of 2 x 11 candidates, encoded all at once here, in chunks there."""
    whole = to_tensor(images)
    candidates = codec.encode(torch.cat([whole, whole.flip(-1)]))
    drawn, _ = TrainingImages(images, codec, CPU, mirror=True).draw(40, torch.manual_seed(0))
    found = neighbour(drawn, candidates)
    assert len(set((found % 11).tolist())) > 8
    assert 10 < (found >= 11).sum() < 30
    assert not drawn.requires_grad


@torch.no_grad()
def test_without_mirroring_the_same_images_come_as_they_are(images, codec):
    candidates = codec.encode(to_tensor(images))
    straight, chosen = TrainingImages(images, codec, CPU, mirror=False).draw(
        40, torch.manual_seed(0)
    )
    mirrored, _ = TrainingImages(images, codec, CPU, mirror=True).draw(40, torch.manual_seed(0))
    found = neighbour(straight, candidates)
    same = (mirrored - straight).flatten(1).abs().amax(1) < 1e-6
    assert 10 < same.sum() < 30
    assert torch.equal(found, torch.randint(11, (40,), generator=torch.manual_seed(0)))
    assert torch.equal(found, chosen)


def test_drawing_runs_no_autoencoder(images, tiny_vae):
    calls = []
    drawn = TrainingImages(images, LatentCodec(tiny_vae), CPU, mirror=True)
    for part in (tiny_vae.encoder, tiny_vae.decoder):
        part.register_forward_hook(lambda m, a, o: calls.append(m))
    drawn.draw(4, torch.manual_seed(0))
    assert calls == []
