import numpy as np
import pytest
import torch

from unidad.errors import UserError
from unidad.features import photo
from unidad.features.extractors import load_extractor, save_photo
from unidad.models.place import place
from unidad.models.recipes import Placing

pytest.importorskip("timm")
data = pytest.importorskip("skimage.data")
pytest.importorskip(photo.PACKAGE)

EGYPTIAN_CAT, ESPRESSO = 285, 967
CAT_FEATURES = [0.132, 0.017, 0.0, 0.165, 1.868, 0.514, 0.0, 0.0, 0.0, 0.056, 0.0, 1.904]


@pytest.fixture(scope="module")
def network():
    return photo.load_photo_network()


def photographs() -> np.ndarray:
    return np.stack([data.chelsea()[:300, 75:375], data.coffee()[50:350, 150:450]])


def test_it_knows_what_photographs_show(network):
    assert network.classify(photographs()).tolist() == [EGYPTIAN_CAT, ESPRESSO]


def test_features_are_what_they_were(network):
    pooled = network.features(photographs())["pooled"]
    assert pooled.shape == (2, 1280)
    np.testing.assert_allclose(pooled[0, :12], CAT_FEATURES, atol=0.01)
    assert np.linalg.norm(pooled[0]) == pytest.approx(15.46, abs=0.05)


def test_the_network_sees_pixels_as_its_training_did(network):
    """(pixel - 127) / 128, in TensorFlow's ports of this network."""
    x = torch.tensor([0.0, 127, 255]).view(3, 1, 1, 1).expand(3, 3, 224, 224) / 127.5 - 1
    seen = network.inputs(x)[:, 0, 0, 0]
    torch.testing.assert_close(seen, torch.tensor([-127 / 128, 0, 1]), atol=1e-6, rtol=0)


def test_perceptual_rows_and_tokens_have_a_place_for_everything(network):
    images = photographs()
    rows = network.perceptual(np.concatenate([images, images[:1]]))
    assert torch.dist(rows[0], rows[2]) < 1e-3 < 1 < torch.dist(rows[0], rows[1])
    assert rows.square().sum(1).allclose(torch.full((3,), 6.0), atol=1e-3)  # one for each stage
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)
    tokens = network.tokens(x)
    tokens.sum().backward()
    assert tokens.shape == (1, 49, 320)
    assert x.grad.abs().sum() > 0


def test_a_placed_note_is_loaded_and_named(tmp_path):
    place(Placing(origin="photo"), tmp_path / "network")
    assert [file.name for file in (tmp_path / "network").iterdir()] == ["config.json"]
    assert load_extractor(tmp_path / "network").name == "efficientnet-lite0"


def test_what_is_missing_or_another_is_told(tmp_path, monkeypatch):
    file = tmp_path / "models" / "efficientnet-lite0-57934424.pth"
    file.parent.mkdir()
    torch.save({"weight": torch.zeros(2)}, file)
    with monkeypatch.context() as patch:
        patch.setattr(photo, "photo_weights", lambda: file)
        with pytest.raises(UserError, match="SHA-256 does not start with 57934424"):
            photo.load_photo_network()
    monkeypatch.setattr(photo, "PACKAGE", "not_installed")
    save_photo(tmp_path / "note")
    with pytest.raises(
        UserError, match=r"not_installed is not installed; `pip install 'unidad\[ph"
    ):
        load_extractor(tmp_path / "note")
