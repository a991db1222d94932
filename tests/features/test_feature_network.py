import numpy as np
import pytest
import torch
from json_files import change_json
from PIL import Image
from safetensors.torch import save_file

from unidad.data.image_set import to_tensor
from unidad.errors import UserError
from unidad.features.feature_network import FeatureConfig, FeatureNetwork, load_feature_network
from unidad.features.trunk import resized

CONFIG = FeatureConfig("tiny", ("a", "b", "c"), ("x", "y"), 16, (4, 6, 8, 8), 5)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = FeatureNetwork(CONFIG)
    network.train()
    network(torch.randn(64, 3, 16, 16))
    return network.eval()


@pytest.fixture
def folder(tmp_path, network):
    network.save(tmp_path / "features")
    return tmp_path / "features"


def test_features_have_the_promised_shapes_and_ranges(network, image_set):
    features = network.features(image_set.images)
    assert features["pooled"].shape == (6, 5)
    assert features["attributes"].shape == (6, 2)
    assert features["attributes"].min() >= 0
    assert features["attributes"].max() <= 1
    assert features["domain"].shape == (6, 3)
    np.testing.assert_allclose(features["domain"].sum(1), 1, rtol=1e-5)
    assert {rows.dtype.name for rows in features.values()} == {"float32"}


def test_distance_of_perceptual_rows_is_the_lpips_formula(network, image_set):
    """Sum over layers of the mean over places of |difference of unit vectors|^2."""
    rows = network.perceptual(image_set.images)
    with torch.no_grad():
        maps = network.maps(to_tensor(image_set.images))
    expected = 0
    for values in maps:
        unit = torch.nn.functional.normalize(values, dim=1)
        expected += (unit[0] - unit[1]).square().sum(0).mean().item()
    assert len(maps) == 4
    assert rows.shape == (6, sum(values[0].numel() for values in maps))
    assert (rows[0] - rows[1]).square().sum().item() == pytest.approx(expected, rel=1e-4)


def test_any_resolution_is_resized_without_aliasing(network):
    """A checkerboard of single pixels turns grey, and a ramp keeps Pillow's values."""
    board = np.indices((64, 64)).sum(0) % 2 * 255
    board = np.repeat(board[None, :, :, None], 3, 3).astype(np.uint8)
    assert resized(to_tensor(board), 16).abs().max() < 0.02
    ramp = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    expected = Image.fromarray(ramp).convert("F").resize((16, 16), Image.Resampling.BILINEAR)
    found = resized(torch.from_numpy(ramp).float()[None, None], 16)[0, 0]
    np.testing.assert_allclose(found.numpy(), np.asarray(expected), atol=1e-2)
    assert network.features(board)["pooled"].shape == (1, 5)


def test_batches_do_not_matter(network):
    images = np.random.default_rng(0).integers(0, 256, (203, 16, 16, 3), dtype=np.uint8)
    whole, alone = network.features(images), network.features(images[-1:])
    np.testing.assert_allclose(whole["pooled"][-1:], alone["pooled"], rtol=1e-3, atol=1e-5)


def test_saved_network_comes_back_rounded_to_bfloat16(folder, network, image_set):
    loaded = load_feature_network(folder)
    assert loaded.config == CONFIG
    assert loaded.fingerprint == load_feature_network(folder).fingerprint != network.fingerprint
    before, after = (n.features(image_set.images) for n in (network, loaded))
    np.testing.assert_allclose(after["pooled"], before["pooled"], atol=0.05)
    rounded = network.pool.weight.bfloat16().float()
    assert torch.equal(loaded.pool.weight, rounded)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_missing_files_are_named(tmp_path, folder):
    with pytest.raises(UserError, match=r"absent/config\.json: no such file"):
        load_feature_network(tmp_path / "absent")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors: no such file"):
        load_feature_network(folder)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected a mapping of keys, found list"),
        ('{"name": 1, "colour": 2}', "not a feature network's configuration"),
    ],
)
def test_a_configuration_that_is_none_is_named(folder, content, complaint):
    (folder / "config.json").write_text(content)
    with pytest.raises(UserError, match=rf"config\.json: {complaint}"):
        load_feature_network(folder)


def test_weights_of_another_architecture_are_named(folder):
    change_json(folder / "config.json", pooled=7)
    with pytest.raises(UserError, match=r"another architecture: 'pool\.weight' is \(5, 32\)"):
        load_feature_network(folder)
    save_file({"other": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(UserError, match="another architecture: no 'stages"):
        load_feature_network(folder)
    (folder / "model.safetensors").write_bytes(b"text, renamed")
    with pytest.raises(UserError, match="not a readable safetensors file"):
        load_feature_network(folder)


def test_no_images_are_refused(network):
    with pytest.raises(UserError, match="image set is empty"):
        network.features(np.zeros((0, 16, 16, 3), np.uint8))
