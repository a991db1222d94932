"""Values against the lpips package, one call for each pair, on random trunks of true size."""

import warnings

import lpips
import numpy as np
import pytest
import torch
from torchvision.models import alexnet, vgg16

from unidad.data.image_set import to_tensor
from unidad.errors import UserError
from unidad.features.lpips_network import TRUNKS, LpipsNetwork, load_lpips, set_trunk
from unidad.metrics.perceptual import intra_lpips, within_clusters

SIZES = {"vgg": (32, 32), "alex": (64, 80)}


@pytest.fixture(scope="module", autouse=True)
def on_the_cpu():
    """A GPU's convolutions round more than the tolerances here allow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        yield


@pytest.fixture(scope="module", params=list(TRUNKS))
def published(request):
    """The package's network, and ours around the same one."""
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):
        network = lpips.LPIPS(net=request.param, pnet_rand=True, verbose=False)
    return request.param, network, LpipsNetwork(network)


def images_of(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Seven samples around the first and the last of three training images."""
    draw = np.random.default_rng(0)
    training = draw.integers(0, 256, (3, *size, 3))
    noise = draw.integers(-90, 90, (7, *size, 3)) * np.linspace(0.5, 1, 7)[:, None, None, None]
    samples = np.clip(training[[0, 2, 0, 2, 0, 2, 0]] + noise, 0, 255)
    return samples.astype(np.uint8), training.astype(np.uint8)


@torch.no_grad()
def pair_by_pair(network, samples, training, members) -> float:
    """The released code's protocol on tensors, one call of the network for each pair."""
    clusters = [[] for _ in training]
    for sample in samples:
        distances = [network(sample[None], image[None]).item() for image in training]
        clusters[int(np.argmin(distances))].append(sample[None])
    means = []
    for cluster in (cluster[:members] for cluster in clusters):
        pairs = [network(a, b).item() for i, a in enumerate(cluster) for b in cluster[i + 1 :]]
        means.append(np.mean(pairs) if pairs else 0.0)
    return float(np.mean(means))


@pytest.mark.parametrize(
    ("members", "unit_range"), [(100, False), (2, True)], ids=["plain", "released"]
)
def test_intra_lpips_equals_the_package_pair_by_pair(published, members, unit_range):
    trunk, network, ours = published
    samples, training = images_of(SIZES[trunk])
    shown = to_tensor(samples)
    if unit_range:
        shown = torch.from_numpy(samples).permute(0, 3, 1, 2) / 255
    expected = pair_by_pair(network, shown, to_tensor(training), members)
    batches = (ours.perceptual(part, unit_range) for part in (samples[:4], samples[4:]))
    found = intra_lpips(within_clusters(batches, ours.perceptual(training), members, False))
    assert expected > 1e-3
    assert found == pytest.approx(expected, rel=1e-4)


def test_published_linear_layers_are_not_negative(published):
    """The root of a weight scales the maps."""
    assert all(lin.model[-1].weight.min() >= 0 for lin in published[1].lins)


@torch.no_grad()
def test_the_trunk_takes_torchvision_weights(published):
    """Every map of the trunk is one of the torchvision network's activations."""
    trunk, network, _ = published
    with torch.device("meta"):
        features = {"vgg": vgg16, "alex": alexnet}[trunk]().features
    features.to_empty(device="cpu")
    draw = torch.Generator().manual_seed(1)
    for parameter in features.parameters():
        parameter.normal_(std=0.05, generator=draw)
    set_trunk(network, {f"features.{name}": t for name, t in features.state_dict().items()})
    x = torch.randn(1, 3, *SIZES[trunk], generator=draw)
    maps, activations = network.net(x), []
    for layer in features:
        x = layer(x)
        activations.append(x.clone())
    assert len(maps) == 5
    assert all(any(torch.equal(found, a) for a in activations) for found in maps)


def test_unknown_trunks_and_absent_weights_are_named(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="trunk 'squeeze' is unknown; it is one of vgg, alex"):
        load_lpips("squeeze")
    monkeypatch.setenv("UNIDAD_WEIGHTS", str(tmp_path))
    for trunk, file in {"vgg": "vgg16-397923af.pth", "alex": "alexnet-owt-7be5be79.pth"}.items():
        with pytest.raises(UserError, match=f"{file}: no such file; download https://download"):
            load_lpips(trunk)
