"""The losses, as pure functions of tensors: no network call, no random draw inside.

Loss names, here, in the logs and in the configuration: ``dmd_source``, ``dmd_target``
(``dmd_teacher`` where the one teacher is not the source's), ``gan_student``,
``gan_discriminator``, ``fake_score_denoising``, ``target_teacher_denoising``; EchoDistill's
``teacher_denoising``, ``alignment_features``, ``alignment_latents`` and ``alignment_texture``;
``consistency``; SFDDM's ``output`` and ``hidden``.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from unidad.diffusion.process import per_image

DmdNormaliser = Literal["prediction_gap", "noisy_gap", "score", "none"]
GanLoss = Literal["bce", "hinge", "lsgan", "wgan-gp"]
Logits = Literal["summed", "averaged"]
LsganOn = Literal["logits", "probabilities"]
Distance = Literal["huber", "l2"]
HiddenDistance = Literal["plain", "kl"]


def denoising(x0_hat: Tensor, x0: Tensor, sigma: Tensor, sigma_data: float | None = 0.5) -> Tensor:
    """Denoising loss ``mean(w * (x0_hat - x0)^2)`` with ``w = sigma^-2 + sigma_data^-2``.

    Args:
        x0_hat: prediction (N, C, H, W).
        x0: the clean images, likewise.
        sigma: noise level (N,).
        sigma_data: 0.5 in FSIG (Karras et al. 2022, table 1); None gives ``w = sigma^-2``, the
            plain epsilon error of SDP.
    """
    weight = sigma**-2 + (0.0 if sigma_data is None else sigma_data**-2)
    return (per_image(weight, x0) * (x0_hat - x0) ** 2).mean()


def dmd_gradient(
    x0_student: Tensor,
    fake: Tensor,
    real: Tensor,
    x: Tensor,
    sigma: Tensor,
    normaliser: DmdNormaliser = "prediction_gap",
) -> Tensor:
    """The distribution-matching gradient at the image, for one teacher (SPEC section 3).

    Args:
        x0_student: the student's images (N, C, H, W).
        fake: x0 prediction of the fake score at ``x``.
        real: x0 prediction of a teacher at ``x``.
        x: the noised student images.
        sigma: noise level (N,).
        normaliser: what ``fake - real`` is divided by, each a mean over an image's elements:
            ``prediction_gap`` mean|x0_student - real| (DMD2's and Uni-DAD's code),
            ``noisy_gap`` mean|x / sqrt(1 + sigma^2) - real|, of the variance-preserving noised
            image (the released SDP code),
            ``score`` mean|eps - eps_fake| * sigma, the paper's formula
            (``eps - eps_fake = (fake - x0_student) / sigma``),
            ``none`` 1.

    Returns:
        g (N, C, H, W), no gradient attached.
    """
    with torch.no_grad():
        gap = {
            "prediction_gap": lambda: x0_student - real,
            "noisy_gap": lambda: x / (1 + per_image(sigma, x) ** 2).sqrt() - real,
            "score": lambda: fake - x0_student,
            "none": lambda: torch.ones_like(real),
        }[normaliser]()
        return (fake - real) / per_image(gap.abs().flatten(1).mean(1), gap)


def dmd(x0_student: Tensor, gradient: Tensor) -> Tensor:
    """``0.5 * mean((x0_student - stopgrad(x0_student - g))^2)``: its gradient is ``g / numel``."""
    goal = (x0_student - gradient).detach()
    return 0.5 * F.mse_loss(x0_student, goal)


def gan_student(
    logits: Tensor, loss: GanLoss = "bce", combine: Logits = "summed", lsgan_on: LsganOn = "logits"
) -> Tensor:
    """The student's adversarial loss: its images should be taken for real.

    Args:
        logits: (N, heads) for student images.
        loss: ``bce`` (non-saturating), ``hinge``, ``lsgan`` or ``wgan-gp``.
        combine: ``summed`` adds the heads' losses (the paper), ``averaged`` takes the loss of the
            heads' mean logit (the released code).
        lsgan_on: what ``lsgan`` takes the squared error of: logits, or ``probabilities``, their
            sigmoids (the released code).
    """
    logits = _combine(logits, combine)
    if loss == "lsgan" and lsgan_on == "probabilities":
        logits = logits.sigmoid()
    if loss == "bce":
        value = F.softplus(-logits)
    elif loss == "lsgan":
        value = 0.5 * (logits - 1) ** 2
    else:
        value = -logits
    return value.sum(1).mean()


def gan_discriminator(
    real: Tensor,
    fake: Tensor,
    loss: GanLoss = "bce",
    combine: Logits = "summed",
    lsgan_on: LsganOn = "logits",
) -> Tensor:
    """The discriminator's loss on real (N, heads) and student (N, heads) logits.

    For ``wgan-gp`` the gradient penalty is a term of its own: `gradient_penalty`.
    """
    real, fake = _combine(real, combine), _combine(fake, combine)
    if loss == "lsgan" and lsgan_on == "probabilities":
        real, fake = real.sigmoid(), fake.sigmoid()
    if loss == "bce":
        value = F.softplus(-real) + F.softplus(fake)
    elif loss == "hinge":
        value = F.relu(1 - real) + F.relu(1 + fake)
    elif loss == "lsgan":
        value = 0.5 * ((real - 1) ** 2 + fake**2)
    else:
        value = fake - real
    return value.sum(1).mean()


def gradient_penalty(gradient: Tensor) -> Tensor:
    """``mean((|gradient| - 1)^2)`` (Gulrajani et al. 2017, equation 3).

    Args:
        gradient: (N, C, H, W), the gradient of the summed logits at points between real and fake.
    """
    return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()


def two_class_logit(logits: Tensor) -> Tensor:
    """The one logit that two classes come to: (..., 2), fake then real, → (...).

    The cross-entropy of two classes is the binary cross-entropy of the difference of their logits.
    """
    return logits[..., 1] - logits[..., 0]


def consistency(
    x0_hat: Tensor, goal: Tensor, distance: Distance = "huber", width: float = 0.001
) -> Tensor:
    """The distance of two x0 predictions along a trajectory, a mean over all elements.

    Args:
        x0_hat: the student's (N, C, H, W).
        goal: the target network's, likewise.
        distance: ``huber``, ``sqrt(d^2 + width^2) - width`` of each element (pseudo-Huber, as LCM
            has it), or ``l2``, d^2.
        width: below it pseudo-Huber is squared, above it absolute.
    """
    squared = (x0_hat - goal) ** 2
    if distance == "huber":
        return ((squared + width**2).sqrt() - width).mean()
    return squared.mean()


def hidden_distance(
    hidden: Tensor, goal: Tensor, sigma: Tensor, distance: HiddenDistance = "plain"
) -> Tensor:
    """The distance of two models' hidden variables, a mean over images and elements.

    Both are Gaussians of deviation sigma about what is given, so their Kullback-Leibler divergence
    is ``|hidden - goal|^2 / (2 sigma^2)``.

    Args:
        hidden: the student's (N, C, H, W).
        goal: the teacher's, likewise.
        sigma: their level (N,); at 0 there is no hidden variable, and nothing is added.
        distance: ``kl``, or ``plain`` without the divisor.
    """
    weight = (sigma > 0).to(hidden)
    if distance == "kl":
        weight = weight / (2 * torch.where(sigma > 0, sigma, 1.0) ** 2)
    return (weight * latent_distance(hidden, goal)).mean()


def feature_distance(tokens: Tensor, goal: Tensor) -> Tensor:
    """One minus the cosine of each token (N, L, D) and its goal, mean over an image's: (N,)."""
    return 1 - F.cosine_similarity(tokens, goal, dim=-1).mean(1)


def latent_distance(x0: Tensor, goal: Tensor) -> Tensor:
    """Mean squared difference of latents (N, C, H, W): (N,)."""
    return ((x0 - goal) ** 2).flatten(1).mean(1)


def sliced_wasserstein(images: Tensor, goal: Tensor, directions: Tensor, scales: int = 5) -> Tensor:
    """Multi-scale sliced Wasserstein distance of the patches of two images (He et al. 2024).

    At each scale, half as large as the one before, every patch is projected onto each direction.
    The distance of two sets of numbers is the mean absolute difference of the sorted ones; it is
    averaged over directions, then over scales. Where a patch lies plays no part.

    Args:
        images: (N, C, H, W), sides of at least ``2 ** (scales - 1)``.
        goal: likewise.
        directions: (P, C, k, k) of unit length, k odd; patches beyond the border repeat it.
        scales: how many.

    Returns:
        (N,).
    """
    count, border = len(images), directions.shape[-1] // 2
    both, total = torch.cat([images, goal]), 0.0
    for scale in range(scales):
        if scale > 0:
            both = F.avg_pool2d(both, 2)
        padded = F.pad(both, [border] * 4, mode="replicate")
        projected = F.conv2d(padded, directions).flatten(2).sort(dim=2).values
        total = total + (projected[:count] - projected[count:]).abs().mean((1, 2))
    return total / scales


def perceptual_distance(rows: Tensor, goal: Tensor) -> Tensor:
    """LPIPS of the images behind perceptual rows (N, P), see `perceptual_rows`: (N,)."""
    return ((rows - goal) ** 2).sum(1)


def weighted_by_alpha_bar(distance: Tensor, sigma: Tensor) -> Tensor:
    """``mean(alpha_bar * distance)`` of (N,), with ``alpha_bar = 1 / (1 + sigma^2)``.

    The clearer the noised image from which a teacher predicts the goal, the more it counts.
    """
    return (distance / (1 + sigma**2)).mean()


def _combine(logits: Tensor, combine: Logits) -> Tensor:
    return logits.mean(1, keepdim=True) if combine == "averaged" else logits
