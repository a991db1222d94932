"""A round of Uni-DAD: R iterations, the last of which updates the student as well.

The reference makes one pass for each term of the losses and each pass through the whole U-Net, as
the released algorithm does: real and student images go to the discriminator one after the other,
its heads read features whose decoder ran in vain, and the fake score inside DMD builds a graph that
nothing uses. Networks, losses, random draws and updates are the same on both sides.
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.networks import PlainNetwork, adm
from benchmarks.runner import Comparison, Meter, Side
from unidad.config.run import RunSpec
from unidad.data.image_set import ImageSet, to_tensor
from unidad.diffusion.levels import karras_levels, student_levels
from unidad.methods.specs import run_spec
from unidad.methods.unidad import UniDad
from unidad.networks.backbone import Backbone
from unidad.networks.discriminator import MultiHead
from unidad.training.loop import Trainer

SHOTS = 10
TARGET_SHARE = 0.25


@dataclass(frozen=True)
class Problem:
    """What is trained."""

    resolution: int = 32
    channels: tuple[int, ...] = (64, 128, 128)
    batch_size: int = 4
    nfe: int = 3
    rounds: int = 1
    updates: int = 5
    """R, of the fake score for one of the student."""
    learning_rate: float = 2e-6


def comparisons(problem: Problem = Problem()) -> list[Comparison]:
    """One, on the networks' processor; a GPU if there is one."""
    torch.manual_seed(0)
    network = adm(problem.resolution, problem.channels)
    images = np.random.default_rng(0).integers(
        0, 256, (SHOTS, problem.resolution, problem.resolution, 3), dtype=np.uint8
    )
    spec, weights = spec_of(problem), sum(p.numel() for p in network.parameters())
    described = (
        f"ADM of {weights / 1e6:.1f} M weights, {problem.resolution}x{problem.resolution}, "
        f"batch {problem.batch_size}, NFE {problem.nfe}, R = {problem.updates}"
    )
    method = UniDad(spec, *(copy.deepcopy(network) for _ in range(4)))
    plain = PlainUniDad(spec, network, method.discriminator, images)
    sides = ours(spec, method, ImageSet(images)), reference(plain)
    return [Comparison("training: Uni-DAD, one round", described, *sides)]


def spec_of(problem: Problem) -> RunSpec:
    """The paper's settings but for size and warm-up; paths are not read."""
    training = {
        "student_updates": problem.rounds,
        "batch_size": problem.batch_size,
        "learning_rate": problem.learning_rate,
        "warmup_updates": 0,
        "ema_decay": 0,
        "checkpoint_every": problem.rounds,
        "sample_every": 0,
        "trackers": (),
    }
    variant = {
        "method": "unidad",
        "nfe": problem.nfe,
        "dmd_target_share": TARGET_SHARE,
        "training": training,
        "distillation": {"fake_score_updates_per_student_update": problem.updates},
    }
    names = dict.fromkeys(("target", "label", "data", "student", "teacher"), "benchmark")
    settings = {
        "shots": SHOTS,
        "seed": 0,
        "resolution": problem.resolution,
        "network": {},
        "diffusion": {"student_sigma_max": 80.0, "student_sigma_min": 0.5},
        "variant": variant,
    }
    return run_spec(settings | names, "benchmark")


class WithoutDisk(Trainer):
    """The trainer, but for its checkpoints."""

    def save(self) -> None:
        """Write nothing."""


def ours(spec: RunSpec, method: UniDad, images: ImageSet) -> Side:
    """The package's trainer and method; the side's result is the trainer after its run."""
    meter = Meter()
    for role in (method.student, method.fake_score, method.teacher, method.target_teacher):
        meter.watch(role, "forward")
        meter.watch(role, "features", "features")

    def run() -> Trainer:
        with tempfile.TemporaryDirectory() as folder:
            trainer = WithoutDisk(spec, method, images, Path(folder), progress=False)
            trainer.run()
        return trainer

    return Side(run, meter)


def reference(plain: PlainUniDad) -> Side:
    """The plain loop; the side's result is the loop after its run."""
    meter = Meter()
    for role in (plain.student, plain.fake_score, plain.source_teacher, plain.target_teacher):
        meter.watch(role, "forward")

    def run() -> PlainUniDad:
        plain.start()
        for iteration in range(plain.rounds * plain.updates):
            plain.iterate(iteration)
        return plain

    return Side(run, meter)


class PlainUniDad:
    """Uni-DAD as SPEC section 3 writes it, term by term.

    Args:
        spec: the run.
        network: that all four start from.
        discriminator: whose heads the loop's start from.
        images: uint8 (N, H, W, 3).
    """

    def __init__(
        self,
        spec: RunSpec,
        network: Backbone,
        discriminator: MultiHead,
        images: np.ndarray,
    ):
        self.spec, self.settings = spec, spec.variant.training
        self.options = spec.variant.distillation
        self.rounds = self.settings.student_updates
        self.updates = self.options.fake_score_updates_per_student_update
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.images = to_tensor(images).to(self.device)
        roles = [PlainNetwork(copy.deepcopy(network)).to(self.device) for _ in range(4)]
        self.student, self.fake_score, self.source_teacher, self.target_teacher = roles
        self.source_teacher.requires_grad_(False)
        self.heads = nn.ModuleList(map(convolution, discriminator.heads.values())).to(self.device)
        self.levels = karras_levels()
        self.student_levels = student_levels(spec.variant.nfe).to(self.device)

    def start(self) -> None:
        """Fresh optimisers."""
        groups = {
            "student": [*self.student.parameters()],
            "fake_score": [*self.fake_score.parameters(), *self.heads.parameters()],
            "target_teacher": [*self.target_teacher.parameters()],
        }
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        self.optimisers = {
            name: torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
            for name, parameters in groups.items()
        }

    def iterate(self, iteration: int) -> None:
        """One iteration, with the draws of `Trainer` and `UniDad`."""
        seed = (self.spec.seed * 1_000_003 + iteration) * 1009
        self.generator = torch.Generator().manual_seed(seed)
        real = self.real_images()
        with_student = (iteration + 1) % self.updates == 0
        with torch.set_grad_enabled(with_student):
            images = self.student_images(real)
        if with_student:
            self.update("student", self.student_loss(images))
        self.update("fake_score", self.fake_score_loss(images.detach(), real))
        if with_student:
            self.update("target_teacher", self.denoising_loss(self.target_teacher, real))

    def update(self, group: str, loss: Tensor) -> None:
        """One step of an optimiser; every gradient starts from zero."""
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()
        loss.backward()
        parameters = self.optimisers[group].param_groups[0]["params"]
        nn.utils.clip_grad_norm_(parameters, self.settings.gradient_clip)
        self.optimisers[group].step()

    def student_loss(self, images: Tensor) -> Tensor:
        """Dual-domain DMD and the student's side of the GAN."""
        x, sigma = self.noised(images.detach(), inner=20)
        fake = self.fake_score(x, sigma).detach()
        with torch.no_grad():
            real_s, real_t = self.source_teacher(x, sigma), self.target_teacher(x, sigma)
        loss = 0.0
        for share, real in ((1 - TARGET_SHARE, real_s), (TARGET_SHARE, real_t)):
            gap = (images.detach() - real).abs().mean((1, 2, 3), keepdim=True)
            goal = images.detach() - (fake - real) / gap
            loss = loss + share * 0.5 * F.mse_loss(images, goal)
        self.fake_score.requires_grad_(False)
        logits = self.logits(*self.noised(images))
        self.fake_score.requires_grad_(True)
        return loss + self.options.gan_student_weight * self.cross_entropy(logits, 1.0)

    def fake_score_loss(self, images: Tensor, real: Tensor) -> Tensor:
        """Denoising of the student's images, and the discriminator's side of the GAN."""
        denoising = self.denoising_loss(self.fake_score, images)
        x, sigma = self.noised(torch.cat([real, images]))
        count = len(images)
        on_real, on_fake = (
            self.logits(x[part], sigma[part]) for part in (slice(count), slice(count, None))
        )
        gan = self.cross_entropy(on_real, 1.0) + self.cross_entropy(on_fake, 0.0)
        return denoising + self.options.gan_discriminator_weight * gan

    def denoising_loss(self, network: PlainNetwork, x0: Tensor) -> Tensor:
        """The x0 error, weighted by ``sigma^-2 + 1 / sigma_data^2``."""
        x, sigma = self.noised(x0)
        weight = (sigma**-2 + self.spec.diffusion.sigma_data**-2)[:, None, None, None]
        return (weight * (network(x, sigma) - x0) ** 2).mean()

    def logits(self, x: Tensor, sigma: Tensor) -> Tensor:
        """A logit for each image and head: convolution, then the spatial mean."""
        features = self.fake_score.encoder_features(x, sigma)
        maps = [head(feature) for head, feature in zip(self.heads, features, strict=True)]
        return torch.cat([logit.mean((2, 3)) for logit in maps], 1)

    @staticmethod
    def cross_entropy(logits: Tensor, label: float) -> Tensor:
        """Summed over heads, averaged over images."""
        labels = torch.full_like(logits, label)
        loss = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        return loss.sum(1).mean()

    def student_images(self, like: Tensor) -> Tensor:
        """K steps from pure noise, each noised afresh to the next level."""
        x0 = 0.0
        for sigma in self.student_levels:
            x = x0 + sigma * self.normal(like)
            x0 = self.student(x, sigma.expand(len(like)))
        return x0

    def real_images(self) -> Tensor:
        """Images drawn with replacement, half of them mirrored."""
        count = self.settings.batch_size
        chosen = torch.randint(len(self.images), (count,), generator=self.generator)
        mirror = torch.rand(count, generator=self.generator) < 0.5
        x0 = self.images[chosen.to(self.device)]
        return torch.where(mirror.to(self.device)[:, None, None, None], x0.flip(-1), x0)

    def noised(self, x0: Tensor, inner: int = 0) -> tuple[Tensor, Tensor]:
        """Noise to random levels, ``inner`` of them left out at either end."""
        among = (inner, len(self.levels) - inner)
        index = torch.randint(*among, (len(x0),), generator=self.generator)
        sigma = self.levels[index].to(self.device)
        return x0 + sigma[:, None, None, None] * self.normal(x0), sigma

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal noise."""
        return torch.randn(like.shape, generator=self.generator).to(self.device)


def convolution(head: nn.Linear) -> nn.Conv2d:
    """A head as the paper has it: a 1x1 convolution to one channel."""
    layer = nn.Conv2d(head.in_features, 1, 1)
    layer.weight.data = head.weight.data[:, :, None, None].clone()
    layer.bias.data = head.bias.data.clone()
    return layer
