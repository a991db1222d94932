import lpips
import numpy as np
import pytest
import torch

from unidad.errors import UserError
from unidad.features.perceptual import perceptual_rows
from unidad.metrics.perceptual import intra_lpips as mean_of_groups
from unidad.metrics.perceptual import within_clusters
from unidad.metrics.rows import TooFewRowsError


def intra_lpips(batches, training, members=100, skip_small=False) -> float:
    return mean_of_groups(within_clusters(batches, training, members, skip_small))


@pytest.fixture(scope="module", params=[True, False], ids=["weighted", "unweighted"])
def published(request):
    """The lpips package with a random trunk; with its published weights, or with none."""
    torch.manual_seed(0)
    return lpips.LPIPS(net="alex", lpips=request.param, pnet_rand=True, verbose=False)


@pytest.fixture(scope="module")
def images():
    """Seven samples around three training images, 64 x 80 in [-1, 1]."""
    chance = torch.Generator().manual_seed(0)
    training = torch.rand(3, 3, 64, 80, generator=chance) * 2 - 1
    parents = torch.tensor([0, 2, 0, 2, 0, 2, 0])
    noise = torch.rand(7, 3, 64, 80, generator=chance) - 0.5
    return (training[parents] + noise * torch.linspace(0.5, 1.0, 7).view(-1, 1, 1, 1)), training


def rows_of(network: lpips.LPIPS, x: torch.Tensor) -> torch.Tensor:
    maps = network.net(network.scaling_layer(x))
    weights = [lin.model[-1].weight.flatten() for lin in network.lins] if network.lpips else None
    return perceptual_rows(maps, weights)


@torch.no_grad()
def pair_by_pair(network: lpips.LPIPS, samples: torch.Tensor, training: torch.Tensor, limit: int):
    """The published protocol, one call of the network for each pair."""
    clusters = [[] for _ in training]
    for sample in samples:
        distances = [network(sample[None], image[None]).item() for image in training]
        clusters[int(np.argmin(distances))].append(sample[None])
    means = []
    for members in (cluster[:limit] for cluster in clusters):
        pairs = [network(a, b).item() for i, a in enumerate(members) for b in members[i + 1 :]]
        means.append(np.mean(pairs) if pairs else 0.0)
    return float(np.mean(means)), [len(cluster) for cluster in clusters]


@torch.no_grad()
def test_distance_of_rows_is_lpips(published, images):
    samples, training = images
    rows, others = rows_of(published, samples[:3]), rows_of(published, training)
    expected = published(samples[:3], training).flatten()
    assert expected.max() > 0.01
    torch.testing.assert_close((rows - others).square().sum(1), expected, atol=1e-6, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("limit", [100, 2])
def test_equals_the_package_pair_by_pair(published, images, limit):
    samples, training = images
    expected, sizes = pair_by_pair(published, samples, training, limit)
    assert sizes == [4, 0, 3]
    rows = rows_of(published, samples)
    found = intra_lpips([rows[:2], rows[2:]], rows_of(published, training), limit)
    assert expected > 1e-3
    assert found == pytest.approx(expected, rel=1e-4)


def test_hand_computed_clusters():
    """Samples 0, 1, 3 at 0; one at 10; none at 20: ((1 + 9 + 4) / 3 + 0 + 0) / 3."""
    training = torch.tensor([[0.0], [10.0], [20.0]])
    samples = torch.tensor([[0.0], [1.0], [3.0], [11.0]])
    assert intra_lpips([samples], training) == pytest.approx(14 / 9)


def test_only_the_first_of_a_cluster_count():
    training = torch.tensor([[0.0], [10.0]])
    samples = torch.tensor([[0.0], [1.0], [4.0]])
    assert intra_lpips([samples], training, members=2) == pytest.approx(1 / 2)


def test_clusters_without_a_pair_are_skipped_on_demand():
    """As above, without the cluster of one and the empty one: (1 + 9 + 4) / 3."""
    training = torch.tensor([[0.0], [10.0], [20.0]])
    samples = torch.tensor([[0.0], [1.0], [3.0], [11.0]])
    assert intra_lpips([samples], training, skip_small=True) == pytest.approx(14 / 3)
    with pytest.raises(TooFewRowsError, match="no two samples"):
        intra_lpips([samples[2:]], training, skip_small=True)


def test_small_distances_far_from_the_origin_do_not_cancel():
    """The closed form: twice the sum over dims of the unbiased variances."""
    training = torch.ones(1, 1000) / 1000**0.5
    noise = torch.randn(50, 1000, generator=torch.Generator().manual_seed(2))
    samples = training + 1e-4 * noise
    expected = 2 * samples.double().var(0).sum().item()
    assert expected == pytest.approx(2e-5, rel=0.1)
    assert intra_lpips([samples], training) == pytest.approx(expected, rel=1e-3)


def test_images_of_two_resolutions_are_refused():
    with pytest.raises(UserError, match="differ in resolution"):
        intra_lpips([torch.zeros(2, 3)], torch.zeros(2, 4))


def test_copies_have_no_diversity():
    samples = torch.rand(1, 50, generator=torch.Generator().manual_seed(1)).repeat(20, 1)
    assert intra_lpips([samples], samples[:1]) == pytest.approx(0, abs=1e-5)


def test_empty_training_set_and_nan_are_refused():
    with pytest.raises(UserError, match="training set is empty"):
        intra_lpips([torch.zeros(2, 3)], torch.zeros(0, 3))
    with pytest.raises(UserError, match="NaN"):
        intra_lpips([torch.full((2, 3), torch.nan)], torch.zeros(2, 3))
