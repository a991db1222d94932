"""Patches of pixels on their principal components."""

import json

import numpy as np
import pytest
import torch

from unidad.config.diffusion import Network
from unidad.data.image_set import ImageSet, to_tensor
from unidad.networks.codec import PixelUnshuffle
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.patches import PatchCodec
from unidad.networks.registry import load_backbone
from unidad.networks.unet import new_network
from unidad.pipeline import UnidadPipeline
from unidad.sampling import load_image_model, sample
from unidad.training.run import fingerprint, train


@pytest.fixture
def images() -> np.ndarray:
    """Noise over what varies in three ways alone: brightness, a slope across, a slope down."""
    draw = np.random.default_rng(0)
    y, x = np.mgrid[:4, :4] / 1.5 - 1
    light, across, down = draw.normal(size=(3, 40, 4, 4, 1, 1)) * np.array([40, 12, 5]).reshape(
        3, *[1] * 5
    )
    patches = 128 + light + across * x + down * y
    grey = patches.transpose(0, 1, 3, 2, 4).reshape(40, 16, 16, 1) + draw.normal(size=(40, 1, 1, 3))
    return grey.round().clip(0, 255).astype(np.uint8)


@pytest.fixture
def codec(images) -> PatchCodec:
    return PatchCodec.fitted(images, 4, 5)


def test_components_are_those_of_numpy(images, codec):
    """Singular vectors of the centred patches, but for their signs."""
    patches = PixelUnshuffle(4).encode(to_tensor(images)).movedim(1, -1).reshape(-1, 48).double()
    mean = patches.mean(0)
    *_, rows = np.linalg.svd((patches - mean).numpy(), full_matrices=False)
    deviations = ((patches - mean).numpy() @ rows[:3].T).std(0)
    np.testing.assert_allclose(codec.deviation[:3].numpy(), deviations, rtol=1e-4)
    cosines = (codec.model.basis.double().numpy() * rows[:5]).sum(1)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-4)
    torch.testing.assert_close(codec.model.mean.double(), mean, atol=1e-6, rtol=0)
    largest = codec.model.basis.gather(1, codec.model.basis.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()


def test_they_are_orthonormal_so_that_noise_stays_white(codec):
    basis = codec.model.basis
    torch.testing.assert_close(basis @ basis.T, torch.eye(5), atol=1e-5, rtol=0)


def test_what_varies_comes_back_and_the_shape_is_that_of_patches(images, codec):
    x = codec.encode(to_tensor(images))
    assert x.shape == (40, 5, 4, 4)
    assert (codec.factor, codec.channels) == (4, 5)
    error = (codec.decode(x) - to_tensor(images)).square().mean().sqrt() * 127.5
    assert error < 1, "grey levels: rounding and noise"
    torch.testing.assert_close(codec.encode(codec.decode(x)), x, atol=1e-5, rtol=1e-5)


def test_all_components_lose_nothing(images):
    whole, x = PatchCodec.fitted(images, 2, 12), to_tensor(images)
    torch.testing.assert_close(whole.decode(whole.encode(x)), x, atol=1e-5, rtol=0)


def test_more_components_than_pixels_are_refused():
    assert Network(unshuffle=2, components=12).components == 12
    with pytest.raises(ValueError, match="components: unshuffle 2 makes no more than 12"):
        Network(unshuffle=2, components=13)


@pytest.fixture
def folder(tmp_path, codec):
    torch.manual_seed(0)
    network = new_network(16, 4, (32, 32), codec=codec)
    network.save(tmp_path / "model", "few_step", 2)
    return tmp_path / "model"


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon", "sample"])
def test_a_component_s_prediction_is_preconditioned_with_its_own_deviation(codec, prediction):
    """Karras et al. 2022, table 1, with sigma_data d: c_skip, c_out and c_in of each component."""
    network = new_network(16, 4, (32, 32), prediction_type=prediction, codec=codec).double()
    x = torch.randn(2, 5, 4, 4, dtype=torch.float64)
    sigma = torch.tensor([0.3, 20.0], dtype=torch.float64)
    s, d = sigma.reshape(2, 1, 1, 1), codec.deviation.reshape(1, 5, 1, 1)
    root = (s**2 + d**2).sqrt()
    with torch.no_grad():
        output = network.unet(x / root, network.timesteps(sigma)).sample
        found = network(x, sigma)
    expected = {
        "v_prediction": d**2 / root**2 * x - s * d / root * output,
        "epsilon": x - s * output,
        "sample": d * output,
    }[prediction]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    check = network.features(x, sigma)["down0/in"]
    torch.testing.assert_close(check, network.unet.conv_in(x / root))


def test_without_training_what_hardly_varies_hardly_varies(codec, images):
    """With an output of zero the prediction is the best linear one: that of a Gaussian."""
    network = new_network(16, 4, (32, 32), codec=codec)
    torch.nn.init.zeros_(network.unet.conv_out.weight)
    torch.nn.init.zeros_(network.unet.conv_out.bias)
    x = torch.randn(1, 5, 4, 4)
    with torch.no_grad():
        found = network(x, torch.ones(1))
    share = (codec.deviation**2 / (1 + codec.deviation**2)).reshape(1, 5, 1, 1)
    torch.testing.assert_close(found, share * x)


def test_a_stored_network_keeps_its_basis(folder, codec, images):
    network = load_backbone(folder)
    assert network.shape == (5, 4, 4)
    assert not any("basis" in name for name in network.state_dict())
    x = to_tensor(images[:2])
    assert torch.equal(network.codec.encode(x), codec.encode(x))
    assert (
        network.facts(["float32"])["resolution"] == "16x16, unshuffled to 4x4, 5 of 48 components"
    )


def test_the_pipeline_draws_what_the_evaluation_draws(folder):
    expected = sample(load_image_model(folder), 3, 7, progress=False)[0].images
    assert expected.shape == (3, 16, 16, 3)
    found = UnidadPipeline.from_pretrained(folder)(batch_size=3, seed=7, output_type="np")
    assert np.array_equal(found.images, expected)
    half = UnidadPipeline.from_pretrained(folder, torch_dtype=torch.bfloat16)
    near = half(batch_size=3, seed=7, output_type="np").images
    assert np.abs(near.astype(int) - expected).mean() < 3


def test_a_pipeline_saved_by_diffusers_is_read_again(folder, tmp_path):
    UnidadPipeline.from_pretrained(folder).save_pretrained(tmp_path / "again")
    index = json.loads((tmp_path / "again" / "model_index.json").read_text())
    assert index["codec"] == ["unidad.networks.patches", "PatchBasis"]
    first, again = (load_image_model(path) for path in (folder, tmp_path / "again"))
    assert np.array_equal(first.draw(3, range(2)), again.draw(3, range(2)))


def test_a_missing_basis_is_named(folder, complaint_of):
    (folder / "codec" / WEIGHTS_NAME).unlink()
    with complaint_of(folder / "codec", "weights are missing"):
        load_backbone(folder)


def test_a_fresh_network_finds_its_basis_in_the_images_of_its_run(make_spec, images, tmp_path):
    ImageSet(images).save(tmp_path / "data.npz")
    spec = make_spec("finetune", {"student_updates": 2})
    network = Network(unshuffle=4, components=5, channels=(32, 32))
    spec = spec.model_copy(
        update={"student": None, "network": network, "data": str(tmp_path / "data.npz")}
    )
    train(spec, tmp_path / "run", progress=False)
    found = load_backbone(tmp_path / "run" / "model").codec
    expected = PatchCodec.fitted(images, 4, 5)
    assert torch.equal(found.model.basis, expected.model.basis)


def test_another_basis_is_another_starting_point(make_spec, folder):
    spec = make_spec("finetune").model_copy(update={"student": str(folder)})
    before = fingerprint(spec)
    assert fingerprint(spec) == before
    network = load_backbone(folder)
    network.codec.model.basis.neg_()
    network.save(folder, "few_step", 2)
    assert fingerprint(spec) != before
