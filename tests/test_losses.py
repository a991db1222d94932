import math

import pytest
import torch
import torch.nn.functional as F

from unidad import losses

X0 = torch.tensor([[[[0.5, -0.5]]], [[[1.0, 0.0]]]])
FAKE = torch.tensor([[[[0.4, -0.1]]], [[[0.8, 0.2]]]])
REAL = torch.tensor([[[[0.1, -0.3]]], [[[0.5, 0.5]]]])
X = torch.tensor([[[[1.1, -1.3]]], [[[2.5, 1.5]]]])
SIGMA = torch.tensor([2.0, 4.0])


def test_denoising_by_hand():
    """Image 1: w = 1/4 + 4, errors 0.1, 0.4; image 2: w = 1/16 + 4, errors 0.2, 0.2."""
    expected = (4.25 * (0.01 + 0.16) + 4.0625 * (0.04 + 0.04)) / 4
    assert losses.denoising(FAKE, X0, SIGMA).item() == pytest.approx(expected, rel=1e-5)
    plain = (0.25 * 0.17 + 0.0625 * 0.08) / 4
    assert losses.denoising(FAKE, X0, SIGMA, None).item() == pytest.approx(plain, rel=1e-5)


def test_denoising_without_sigma_data_is_the_epsilon_error():
    eps, eps_hat = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    x0 = torch.randn(2, 3, 4, 4)
    sigma = SIGMA.reshape(-1, 1, 1, 1)
    x0_hat = x0 + sigma * (eps - eps_hat)
    expected = ((eps_hat - eps) ** 2).mean()
    assert torch.allclose(losses.denoising(x0_hat, x0, SIGMA, None), expected)
    weighted = ((1 + 4 * sigma**2) * (eps_hat - eps) ** 2).mean()
    assert torch.allclose(losses.denoising(x0_hat, x0, SIGMA, 0.5), weighted)


@pytest.mark.parametrize(
    ("normaliser", "denominators"),
    [
        ("prediction_gap", [(0.4 + 0.2) / 2, (0.5 + 0.5) / 2]),
        ("noisy_gap", [(1.1 + 1.3) / 5**0.5 / 2 - 0.2, (2.5 - 1.5) / 17**0.5 / 2]),
        ("score", [(0.1 + 0.4) / 2, (0.2 + 0.2) / 2]),
        ("none", [1.0, 1.0]),
    ],
)
def test_dmd_gradient_by_hand(normaliser, denominators):
    g = losses.dmd_gradient(X0, FAKE, REAL, X, SIGMA, normaliser)
    first, second = denominators
    expected = torch.tensor([[[[0.3 / first, 0.2 / first]]], [[[0.3 / second, -0.3 / second]]]])
    assert torch.allclose(g, expected, atol=1e-6)


def test_consistency_by_hand():
    """Differences 0.1, 0.4, 0.2, 0.2."""
    squared = (0.01 + 0.16 + 0.04 + 0.04) / 4
    assert losses.consistency(FAKE, X0, "l2").item() == pytest.approx(squared, rel=1e-5)
    huber = sum((d**2 + 0.09) ** 0.5 - 0.3 for d in (0.1, 0.4, 0.2, 0.2)) / 4
    assert losses.consistency(FAKE, X0, "huber", 0.3).item() == pytest.approx(huber, rel=1e-4)
    assert losses.consistency(X0, X0).item() == 0


def test_hidden_distance_by_hand():
    """Mean squares 0.085 at sigma 2 and 0.04 at sigma 4; an image at level 0 adds nothing."""
    assert losses.hidden_distance(FAKE, X0, SIGMA).item() == pytest.approx(0.0625, rel=1e-5)
    kl = (0.085 / 8 + 0.04 / 32) / 2
    assert losses.hidden_distance(FAKE, X0, SIGMA, "kl").item() == pytest.approx(kl, rel=1e-5)
    ended = torch.tensor([0.0, 4.0])
    assert losses.hidden_distance(FAKE, X0, ended).item() == pytest.approx(0.02, rel=1e-5)
    assert losses.hidden_distance(FAKE, X0, ended, "kl").item() == pytest.approx(
        0.04 / 64, rel=1e-5
    )


def test_dmd_loss_has_the_value_and_gradient_of_equation():
    x0 = X0.clone().requires_grad_(True)
    g = losses.dmd_gradient(x0, FAKE, REAL, X, SIGMA)
    loss = losses.dmd(x0, g)
    loss.backward()
    assert loss.item() == pytest.approx(0.5 * (g**2).mean().item(), rel=1e-5)
    assert torch.allclose(x0.grad, g / g.numel())


def test_dmd_loss_is_blind_to_finite_differences_of_its_goal():
    """The goal is a constant: moving x0 by d changes the loss by <g, d>/n + |d|²/(2n)."""
    g = losses.dmd_gradient(X0, FAKE, REAL, X, SIGMA)
    goal = X0 - g
    step = 1e-3
    moved = X0.double().clone()
    moved[0, 0, 0, 1] += step
    slope = (0.5 * ((moved - goal) ** 2).mean() - 0.5 * ((X0.double() - goal) ** 2).mean()) / step
    assert slope.item() == pytest.approx((g[0, 0, 0, 1] / 4).item(), abs=1e-3)


def test_two_weighted_dmd_losses_are_one_of_the_mixed_gradient():
    other = torch.tensor([[[[0.2, 0.2]]], [[[0.0, 0.3]]]])
    share = 0.25
    g_s = losses.dmd_gradient(X0, FAKE, REAL, X, SIGMA)
    g_t = losses.dmd_gradient(X0, FAKE, other, X, SIGMA)
    grads = []
    for build in (
        lambda x: (1 - share) * losses.dmd(x, g_s) + share * losses.dmd(x, g_t),
        lambda x: losses.dmd(x, (1 - share) * g_s + share * g_t),
    ):
        x0 = X0.clone().requires_grad_(True)
        build(x0).backward()
        grads.append(x0.grad)
    assert torch.allclose(grads[0], grads[1], atol=1e-7)


LOGITS = torch.tensor([[1.0, -2.0], [0.5, 0.0]])
REAL_LOGITS = torch.tensor([[2.0, 0.5], [-1.0, 3.0]])


def softplus(x):
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("loss", "per_logit"),
    [
        ("bce", lambda v: softplus(-v)),
        ("hinge", lambda v: -v),
        ("lsgan", lambda v: 0.5 * (v - 1) ** 2),
        ("wgan-gp", lambda v: -v),
    ],
)
def test_gan_student_by_hand(loss, per_logit):
    summed = (per_logit(1.0) + per_logit(-2.0) + per_logit(0.5) + per_logit(0.0)) / 2
    assert losses.gan_student(LOGITS, loss).item() == pytest.approx(summed, rel=1e-5)
    averaged = (per_logit(-0.5) + per_logit(0.25)) / 2
    assert losses.gan_student(LOGITS, loss, "averaged").item() == pytest.approx(averaged, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "on_real", "on_fake"),
    [
        ("bce", lambda v: softplus(-v), lambda v: softplus(v)),
        ("hinge", lambda v: max(0, 1 - v), lambda v: max(0, 1 + v)),
        ("lsgan", lambda v: 0.5 * (v - 1) ** 2, lambda v: 0.5 * v**2),
        ("wgan-gp", lambda v: -v, lambda v: v),
    ],
)
def test_gan_discriminator_by_hand(loss, on_real, on_fake):
    real = sum(map(on_real, (2.0, 0.5, -1.0, 3.0)))
    fake = sum(map(on_fake, (1.0, -2.0, 0.5, 0.0)))
    value = losses.gan_discriminator(REAL_LOGITS, LOGITS, loss).item()
    assert value == pytest.approx((real + fake) / 2, rel=1e-5)
    real = sum(map(on_real, (1.25, 1.0)))
    fake = sum(map(on_fake, (-0.5, 0.25)))
    value = losses.gan_discriminator(REAL_LOGITS, LOGITS, loss, "averaged").item()
    assert value == pytest.approx((real + fake) / 2, rel=1e-5)


def test_lsgan_on_probabilities_by_hand():
    """Of the mean logits -0.5 and 0.25 of the student's images, 1.25 and 1 of the real ones."""
    p, real = (
        [1 / (1 + math.exp(-v)) for v in (-0.5, 0.25)],
        [1 / (1 + math.exp(-v)) for v in (1.25, 1.0)],
    )
    options = ("lsgan", "averaged", "probabilities")
    expected = sum(0.5 * (v - 1) ** 2 for v in p) / 2
    assert losses.gan_student(LOGITS, *options).item() == pytest.approx(expected, rel=1e-5)
    expected = sum(0.5 * (r - 1) ** 2 + 0.5 * v**2 for r, v in zip(real, p, strict=True)) / 2
    found = losses.gan_discriminator(REAL_LOGITS, LOGITS, *options).item()
    assert found == pytest.approx(expected, rel=1e-5)
    same = losses.gan_student(LOGITS, "bce", "averaged", "probabilities")
    assert torch.equal(same, losses.gan_student(LOGITS, "bce", "averaged"))


@pytest.mark.parametrize("loss", ["bce", "lsgan", "wgan-gp", "hinge"])
def test_gan_student_gradient_by_finite_differences(loss):
    logits = LOGITS.double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda v: losses.gan_student(v, loss), (logits,))
    assert torch.autograd.gradcheck(
        lambda v: losses.gan_discriminator(v, 0.3 * v, loss),
        (REAL_LOGITS.double().requires_grad_(),),
    )


def test_gradient_penalty_by_hand():
    gradient = torch.zeros(2, 1, 1, 2)
    gradient[0] = torch.tensor([3.0, 4.0])
    assert losses.gradient_penalty(gradient).item() == pytest.approx(((5 - 1) ** 2 + 1) / 2)


def test_two_class_heads_have_the_cross_entropy_of_their_two_logits():
    """Two images, two heads; class 1 is real. The loss adds the heads and averages the images."""
    fake = torch.tensor([[[0.5, -1.0], [0.0, 2.0]], [[1.0, 1.0], [-0.5, 0.25]]])
    real = torch.tensor([[[-1.0, 0.5], [0.3, 0.1]], [[0.0, 3.0], [2.0, -2.0]]])

    def entropy(logits, label):
        labels = torch.full((4,), label)
        return F.cross_entropy(logits.reshape(4, 2), labels, reduction="sum").item() / 2

    ours = losses.gan_student(losses.two_class_logit(fake)).item()
    assert ours == pytest.approx(entropy(fake, 1), rel=1e-5)
    ours = losses.gan_discriminator(*map(losses.two_class_logit, (real, fake))).item()
    assert ours == pytest.approx(entropy(real, 1) + entropy(fake, 0), rel=1e-5)


def test_feature_distance_by_hand():
    """Tokens at cosine 0.6 and -1 of their goals, whatever their lengths; then at 1 and 0."""
    tokens = torch.tensor([[[3.0, 4.0], [1.0, 0.0]], [[0.0, 2.0], [1.0, 0.0]]])
    goal = torch.tensor([[[5.0, 0.0], [-2.0, 0.0]], [[0.0, 1.0], [0.0, 7.0]]])
    distance = losses.feature_distance(tokens, goal)
    assert distance.tolist() == pytest.approx([1 - (0.6 - 1) / 2, 1 - 0.5])


def test_latent_distance_by_hand():
    assert losses.latent_distance(FAKE, X0).tolist() == pytest.approx([0.085, 0.04])


def test_sliced_wasserstein_by_hand():
    """Colours 1, 2, 3, 4 against 2, 0, 0, 6: sorted, |1-0| + |2-0| + |3-2| + |4-6| over 4 = 1.5;
    at half the size the means 2.5 and 2. A direction along -x sorts otherwise, to the same."""
    images = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[5.0, 5.0], [5.0, 5.0]]]])
    goal = torch.tensor([[[[2.0, 0.0], [0.0, 6.0]]], [[[5.0, 5.0], [5.0, 5.0]]]])
    directions = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
    one = losses.sliced_wasserstein(images, goal, directions, scales=1)
    assert one.tolist() == pytest.approx([1.5, 0])
    two = losses.sliced_wasserstein(images, goal, directions, scales=2)
    assert two.tolist() == pytest.approx([(1.5 + 0.5) / 2, 0])


def test_sliced_wasserstein_compares_patches_wherever_they_lie():
    """A mean over 3x3 patches of one white pixel, by hand; and nothing is lost by moving it."""
    images, goal = torch.zeros(2, 1, 1, 8, 8)
    goal[:, :, 4, 4] = 9
    directions = torch.full((1, 1, 3, 3), 1 / 3)
    value = losses.sliced_wasserstein(images, goal, directions, scales=1)
    assert value.item() == pytest.approx(9 * 3 / 64)
    images[:, :, 2, 3] = 9
    assert losses.sliced_wasserstein(images, goal, directions, scales=1).item() == 0


def test_perceptual_distance_is_that_of_rows():
    rows, goal = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [0.0, 0.5]])
    assert losses.perceptual_distance(rows, goal).tolist() == [5.0, 0.25]


def test_alpha_bar_weighs_each_image():
    """sigma 2 and 4: alpha-bar 1/5 and 1/17."""
    value = losses.weighted_by_alpha_bar(torch.tensor([10.0, 34.0]), SIGMA)
    assert value.item() == pytest.approx((10 / 5 + 34 / 17) / 2)


def test_alignment_gradients_by_finite_differences():
    draws = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.randn(shape, generator=draws, dtype=torch.float64)

    tokens, goal = drawn(2, 3, 4).requires_grad_(True), drawn(2, 3, 4)
    assert torch.autograd.gradcheck(lambda v: losses.feature_distance(v, goal), (tokens,))
    images, other = drawn(2, 2, 4, 4).requires_grad_(True), drawn(2, 2, 4, 4)
    directions = drawn(3, 2, 3, 3)
    assert torch.autograd.gradcheck(
        lambda v: losses.sliced_wasserstein(v, other, directions, scales=3), (images,)
    )
    assert torch.autograd.gradcheck(
        lambda v: losses.weighted_by_alpha_bar(losses.latent_distance(v, other), SIGMA.double()),
        (images,),
    )
