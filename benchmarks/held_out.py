"""A plugin: the discriminator's verdict on held-out images, in the training log.

    UNIDAD_PLUGINS=benchmarks/held_out.py snakemake --cores all --configfile configs/mine.yaml

Uni-DAD's log gets three columns, each the share of logits above 0, which is "real":
``real_training``, ``real_held_out``, ``real_student``. A discriminator that knows its training
images by heart takes held-out images for the student's. Needs a target with held-out images. It
trains as without: its draws are its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from unidad.config.run import RunSpec
from unidad.data.image_set import ImageSet
from unidad.methods import METHODS
from unidad.methods.base import Batch, StepOutput
from unidad.methods.unidad import UniDad
from unidad.training.images import TrainingImages

REFERENCE = "reference.npz"
"""Held-out images, beside the training images."""
EVERY, COUNT = 10, 32
"""Iterations between looks, and images of each kind."""


class WatchedUniDad(UniDad):
    """Uni-DAD that also asks its discriminator about images nobody trains on."""

    def __init__(self, spec: RunSpec, *networks: object, **named: object):
        super().__init__(spec, *networks, **named)
        self.image_sets: dict[str, TrainingImages] = {}

    def step(
        self, batch: Batch, iteration: int, generator: torch.Generator
    ) -> Iterator[StepOutput]:
        """As Uni-DAD's; the fake score's update logs the verdicts of before it."""
        for output in super().step(batch, iteration, generator):
            if output.group == "fake_score" and iteration % EVERY == 0:
                output.logs |= self.verdicts(iteration, batch.x0.device)
            yield output

    @torch.no_grad()
    def verdicts(self, iteration: int, device: torch.device) -> dict[str, float]:
        """Kind of image → share of logits that say real, at levels drawn from all."""
        generator = torch.Generator().manual_seed(iteration)
        images = {name: found.draw(COUNT, generator)[0] for name, found in self._sets(device)}
        batch = self.batch(images["training"])
        images["student"] = self.student_images(batch, generator, with_gradient=False)
        return {f"real_{name}": self._real(x0, generator) for name, x0 in images.items()}

    def _sets(self, device: torch.device) -> list[tuple[str, TrainingImages]]:
        if not self.image_sets:
            training = Path(self.spec.data)
            paths = {"training": training, "held_out": training.with_name(REFERENCE)}
            self.image_sets = {
                name: TrainingImages(ImageSet.load(path).images, self.student.codec, device, False)
                for name, path in paths.items()
            }
        return list(self.image_sets.items())

    def _real(self, x0: Tensor, generator: torch.Generator) -> float:
        x, sigma = self.noised(x0, generator)
        logits = self.discriminator(self.fake_score.features(x, sigma, None))
        return float((logits > 0).float().mean())


METHODS["unidad"] = WatchedUniDad
