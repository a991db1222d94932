"""Values against clean-fid's own run over PNG folders, with a random Inception of true size."""

import os
import warnings
from pathlib import Path

import lpips
import numpy as np
import pytest
import scipy
import torch
from cleanfid import fid
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.utils import ResizeDataset
from PIL import Image
from prdc import compute_prdc
from random_networks import inception_weights
from torch import nn

from unidad.config.evaluation import PublishedFeatures
from unidad.data.image_set import ImageSet, to_tensor
from unidad.errors import UserError
from unidad.features.features import cached_features
from unidad.features.inception import MODES, WEIGHTS_URL, Inception, load_inception
from unidad.features.lpips_network import LpipsNetwork
from unidad.features.published import published_inception
from unidad.metrics.frechet import frechet_distance
from unidad.metrics.kernel import kernel_distance
from unidad.metrics.prdc import prdc

SCIPY = tuple(int(part) for part in scipy.__version__.split(".")[:2])
COUNT, DIMS = 5, 3


class Wrapped(nn.Module):
    """What clean-fid expects its TorchScript file to hold."""

    def __init__(self, layers: nn.Module):
        super().__init__()
        self.layers = layers


class Pooled(nn.Module):
    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)[0]


class Recorder:
    """A feature extractor for clean-fid, of few dims so that five images have a full covariance."""

    def __init__(self, network):
        self.network = network
        self.seen = []
        chance = torch.Generator().manual_seed(1)
        self.projection = torch.randn(2048, DIMS, generator=chance) / 2048**0.5

    def __call__(self, x):
        self.seen.append(self.network(x))
        return self.seen[-1] @ self.projection


@pytest.fixture(scope="module", autouse=True)
def on_the_cpu():
    """A GPU's convolutions round more than the tolerances here allow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        yield


@pytest.fixture(scope="module")
def weights():
    with warnings.catch_warnings(action="ignore"):
        return inception_weights()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders of noisy PNG images of 40 × 56 pixels, and their arrays."""
    draw, found = np.random.default_rng(0), []
    for level in (90, 160):
        folder = tmp_path_factory.mktemp("images")
        colours = draw.integers(-60, 60, (COUNT, 1, 1, 3))
        noise = draw.integers(-40, 40, (COUNT, 40, 56, 3))
        images = np.clip(level + colours + noise, 0, 255).astype(np.uint8)
        for index, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{index}.png")
        found.append((folder, images))
    return found


def cleanfid_network(inception: Inception, mode: str, folder: Path):
    """clean-fid's model function for a mode, on the same weights."""
    if mode == "legacy_pytorch":
        network = inception.network
        network.normalize_input = True
        return lambda x: network(x / 255)[0].squeeze(-1).squeeze(-1)
    layers = torch.jit.trace(Pooled(inception.network), torch.zeros(1, 3, 299, 299))
    torch.jit.script(Wrapped(layers)).save(folder / "inception-2015-12-05.pt")
    return InceptionV3W(str(folder), download=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", MODES)
def test_equals_cleanfid_on_folders(mode, weights, folders, tmp_path):
    assert SCIPY < (1, 18), "clean-fid's frechet_distance needs scipy < 1.18 (sqrtm's disp)"
    inception = Inception(weights, mode)
    ours = [inception.features(images)["pooled"] for _, images in folders]
    recorder = Recorder(cleanfid_network(inception, mode, tmp_path))
    expected = fid.compute_fid(
        *(str(folder) for folder, _ in folders),
        mode=mode,
        custom_feat_extractor=recorder,
        num_workers=0,
        batch_size=COUNT,
        device=torch.device("cpu"),
        verbose=False,
    )
    theirs = [seen.numpy() for seen in recorder.seen]
    assert [rows.shape for rows in ours] == [(COUNT, 2048)] * 2
    for found, wanted in zip(ours, theirs, strict=True):
        between_images = wanted.std(0).mean()
        assert 0.005 < between_images < 10
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-3 * between_images)
    projected = [rows @ recorder.projection.numpy() for rows in ours]
    assert frechet_distance(*projected) == pytest.approx(expected, rel=1e-4)
    kernel = fid.kernel_distance(*(rows.astype(float) for rows in theirs), num_subsets=1)
    assert kernel_distance(*ours, subsets=1) == pytest.approx(kernel, rel=1e-3)
    neighbours = compute_prdc(real_features=theirs[1], fake_features=theirs[0], nearest_k=3)
    assert prdc(*ours, k=3) == pytest.approx(neighbours)


@pytest.fixture(scope="module")
def inceptions(weights):
    return {mode: Inception(weights, mode) for mode in MODES}


@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than")
def test_the_published_networks_see_an_image_set(inceptions, tmp_path):
    """Its networks are given here, as their published weights are absent."""
    torch.manual_seed(0)
    extractor = published_inception(PublishedFeatures(mode="clean", trunk="alex"))
    extractor.network = inceptions["clean"]
    extractor.lpips = LpipsNetwork(lpips.LPIPS(net="alex", pnet_rand=True, verbose=False))
    draw = np.random.default_rng(0)
    images = ImageSet(draw.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    known = cached_features(images, extractor, tmp_path / "f.npz")
    pooled = inceptions["clean"].features(images.images)["pooled"]
    assert np.array_equal(known["pooled"], pooled)
    assert np.array_equal(cached_features(images, extractor, tmp_path / "f.npz")["pooled"], pooled)
    rows = extractor.perceptual(images.images)
    expected = extractor.lpips.network(*to_tensor(images.images).split(1)).item()
    assert (rows[0] - rows[1]).square().sum().item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(64, 48), (420, 350), (299, 299)])
def test_resized_as_cleanfid_does(mode, size, inceptions, tmp_path):
    draw = np.random.default_rng(0)
    image = draw.integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")
    with warnings.catch_warnings():
        resized = ResizeDataset([tmp_path / "image.png"], mode)[0]
    scaled = {"legacy_pytorch": 2 * (resized / 255) - 1, "clean": (resized - 128) / 128}
    torch.testing.assert_close(inceptions[mode].inputs(image[None])[0], scaled[mode])


def test_the_modes_differ_and_so_do_their_fingerprints(inceptions):
    legacy, clean = inceptions.values()
    image = np.random.default_rng(0).integers(0, 256, (1, 900, 900, 3), dtype=np.uint8)
    assert clean.inputs(image).std() < 0.7 * legacy.inputs(image).std()
    assert legacy.fingerprint != clean.fingerprint


def test_building_leaves_warnings_as_they_were(weights):
    before = list(warnings.filters)
    Inception(weights, "legacy_pytorch")
    assert warnings.filters == before


def test_no_images_and_unknown_modes_are_refused(inceptions):
    with pytest.raises(UserError, match="image set is empty"):
        inceptions["clean"].features(np.zeros((0, 8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="mode 'tidy' is unknown; it is one of legacy_pytorch, "):
        Inception({}, "tidy")


def test_absent_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIDAD_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match=f"6726825d.pth: no such file; download {WEIGHTS_URL}"):
        load_inception("clean")


FOLDER = Path(os.environ.get("UNIDAD_WEIGHTS", "absent"))
PUBLISHED = [FOLDER / name for name in (WEIGHTS_URL.rsplit("/")[-1], "inception-2015-12-05.pt")]


@pytest.mark.skipif(
    not all(path.is_file() for path in PUBLISHED), reason="UNIDAD_WEIGHTS holds not both files"
)
def test_published_state_dict_and_torchscript_are_one_network(folders):
    """Loads clean-fid's TorchScript file: run it on a copy from its authors alone."""
    inception = load_inception("clean")
    x = torch.stack([inception.inputs(images[:1])[0] for _, images in folders])
    expected = InceptionV3W(str(FOLDER), download=False)(x * 128 + 128)
    found = inception.network.cpu()(x)[0].flatten(1)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
