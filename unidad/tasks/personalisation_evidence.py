"""What images of a subject show, against its photos and the prompts they were drawn for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from unidad.data.image_set import ImageSet
from unidad.data.prompts import without_token
from unidad.errors import UserError
from unidad.features.protocols import find_protocol
from unidad.metrics.perceptual import within_and_across_prompts
from unidad.metrics.rows import Nearest, either_squared
from unidad.synthetic.scenes import scene_of
from unidad.tasks.evidence import Evidence

WORD = "word:"


@dataclass(frozen=True)
class Answers:
    """Which image answers which prompt, pair by pair; pairs of one prompt stand together.

    Attributes:
        images: number of each pair's image, (M,).
        prompts: each pair's prompt, without the rare token, (M,).
    """

    images: np.ndarray
    prompts: tuple[str, ...]

    @property
    def numbers(self) -> list[int]:
        """The prompts as numbers, from 0 in the order of their appearance."""
        return _numbers(self.prompts)


def drawn_answers(images: ImageSet, rare_token: str) -> Answers:
    """Every image answers its caption.

    Raises:
        UserError: the images have no captions.
    """
    if not images.captions:
        raise UserError(
            "samples: without captions they cannot be measured against prompts; "
            "draw them with `unidad sample`"
        )
    prompts = [without_token(caption, rare_token) for caption in images.captions]
    order = np.argsort(_numbers(prompts), kind="stable")
    return Answers(order, tuple(prompts[place] for place in order))


def photo_answers(count: int, prompts: Sequence[str], rare_token: str) -> Answers:
    """Every photo answers every prompt: a control that knows the subject and ignores prompts."""
    plain = dict.fromkeys(without_token(prompt, rare_token) for prompt in prompts)
    images = np.tile(np.arange(count), len(plain))
    return Answers(images, tuple(prompt for prompt in plain for _ in range(count)))


class PersonalisationEvidence(Evidence):
    """A row whose ``images`` are its ``training_images`` is the control of the photos themselves.

    Raises:
        UserError: images of two resolutions; see `Evidence`.
    """

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        sets = (self.samples, self.training, self.held_out or self.training)
        if len({images.images.shape[1:] for images in sets}) > 1:
            raise UserError(
                "samples, photos and held-out pictures differ in resolution; bring them to one"
            )

    @classmethod
    def prompts(cls, spec: dict, images: ImageSet) -> list[str]:
        """The captions without the rare token, and with it where CLIP-T wants them."""
        plain = [without_token(caption, spec["rare_token"]) for caption in images.captions]
        return [*plain, *images.captions] if _keeps_token(spec) else plain

    @property
    def measured_with(self) -> str:
        """What tables call the networks: the protocol."""
        return self.spec["protocol"]

    @cached_property
    def answers(self) -> Answers:
        """Which sample answers which prompt."""
        token = self.spec["rare_token"]
        if self.are_photos:
            return photo_answers(len(self.samples), self.spec["prompts"], token)
        return drawn_answers(self.samples, token)

    @property
    def are_photos(self) -> bool:
        """Whether the samples are the photos: none is compared with itself."""
        return self.spec["images"] == self.spec["training_images"]

    @property
    def clamp(self) -> bool:
        """Whether negative cosines count as 0."""
        return find_protocol(self.spec["protocol"]).clamp

    @cached_property
    def counted(self) -> np.ndarray:
        """Numbers of the samples that fidelity is counted on, (n,).

        Of each prompt's images the first ``measured_images``, of photos ``measured_photos``.
        """
        if self.are_photos:
            return np.arange(len(self.samples))[: self.spec.get("measured_photos")]
        images, most = self.answers.images, self.spec.get("measured_images")
        numbers = np.array(self.answers.numbers)
        kept = [images[numbers == number][:most] for number in range(numbers.max() + 1)]
        return np.sort(np.concatenate(kept))

    @property
    def clip(self) -> np.ndarray:
        """Unit rows (n, D) of the samples that count."""
        return self.features["clip"][self.counted]

    @property
    def instance(self) -> np.ndarray:
        """Unit rows (n, E) of the samples that count."""
        return self.features["instance"][self.counted]

    @property
    def photo_clip(self) -> np.ndarray:
        """The same of the photos that count."""
        return self.training_features["clip"][: self.spec.get("measured_photos")]

    @property
    def photo_instance(self) -> np.ndarray:
        """The same of the photos that count."""
        return self.training_features["instance"][: self.spec.get("measured_photos")]

    @property
    def answering_clip(self) -> np.ndarray:
        """Unit rows (m, D) of the images of the answers that count."""
        return self.features["clip"][self.answers.images[self._answers_that_count]]

    @property
    def answered_text(self) -> np.ndarray:
        """Unit rows (m, D) of the prompts of the answers that count."""
        return self.features.text([self._read[place] for place in self._answers_that_count])

    @property
    def _answers_that_count(self) -> np.ndarray:
        return np.flatnonzero(np.isin(self.answers.images, self.counted))

    @property
    def _read(self) -> Sequence[str]:
        """The answers' prompts, (M,), as CLIP-T reads them."""
        if not _keeps_token(self.spec):
            return self.answers.prompts
        if not self.are_photos:
            return [self.samples.captions[number] for number in self.answers.images]
        token, prompts = self.spec["rare_token"], self.spec["prompts"]
        whole = {without_token(prompt, token): prompt for prompt in prompts}
        return [whole[prompt] for prompt in self.answers.prompts]

    @property
    def words(self) -> dict[str, np.ndarray] | None:
        """Part of a scene → M words, of the answers' images; None where the network reads none."""
        found = {
            name.removeprefix(WORD): seen[self.answers.images]
            for name, seen in self.features.rows.items()
            if name.startswith(WORD)
        }
        return found or None

    @property
    def asked(self) -> dict[str, list[str]] | None:
        """Part → what the answers' prompts ask for; None outside the grammar of the scenes."""
        if not self.spec["grammar"] or not self.words:
            return None
        scenes = [scene_of(prompt) for prompt in self.answers.prompts]
        return {part: [getattr(scene, part) for scene in scenes] for part in self.words}

    @property
    def lpips_within(self) -> list[float] | None:
        """Mean LPIPS within each prompt; None where no prompt has two images."""
        return self._lpips[0] or None

    @property
    def lpips_across(self) -> float | None:
        """Mean LPIPS across prompts; None for a single one."""
        return self._lpips[1]

    @property
    def measured_images(self) -> np.ndarray:
        """Those of the answers: the photos answer every prompt."""
        return self.answers.images

    @property
    def nearest(self) -> Nearest:
        """The photos that answers are nearest to; distances are roots of LPIPS."""
        return self._lpips[2]

    def training_distances(self, numbers: Sequence[int]) -> Tensor:
        """Of samples of these numbers to every photo, (n, k): roots of LPIPS."""
        batches = self.perceptual_batches(ImageSet(self.samples.images[numbers]))
        return torch.cat([self._squared(batch) for batch in batches]).sqrt()

    @property
    def held_out_distances(self) -> Tensor | None:
        """Root of LPIPS of each held-out picture to the nearest photo, (M,)."""
        if self.held_out is None:
            return None
        batches = self.perceptual_batches(self.held_out, self.progress)
        found = Nearest.joined(Nearest.among(self._squared(batch)) for batch in batches)
        return found.distances[:, 0]

    @cached_property
    def _known(self) -> tuple[Tensor, Tensor]:
        """Rows of the photos, and of their mirror images."""
        both = (self.training, self.training.mirrored())
        return tuple(torch.cat(list(self.perceptual_batches(images))) for images in both)

    def _squared(self, rows: Tensor) -> Tensor:
        return either_squared(rows, *self._known)

    @cached_property
    def _lpips(self) -> tuple[list[float], float | None, Nearest]:
        """Within, across and nearest; every image passes the network once, batch by batch."""
        nearest = []

        def rows() -> Iterator[Tensor]:
            for batch in self._answers_in_batches():
                nearest.append(Nearest.among(self._squared(batch)))
                yield from batch

        within, across = within_and_across_prompts(rows(), self.answers.numbers)
        return within, across, Nearest.joined(nearest)

    def _answers_in_batches(self) -> Iterable[Tensor]:
        """Rows (n, P) of the answers; an image that answers several prompts is passed once."""
        answers = self.answers.images
        if len(answers) == len(self.samples):
            return self.perceptual_batches(ImageSet(self.samples.images[answers]), self.progress)
        rows = torch.cat(list(self.perceptual_batches(self.samples, self.progress)))
        return repeat(rows, len(answers) // len(self.samples))


def _keeps_token(spec: dict) -> bool:
    return spec.get("clip_t_prompt") == "subject"


def _numbers(prompts: Sequence[str]) -> list[int]:
    known: dict[str, int] = {}
    return [known.setdefault(prompt, len(known)) for prompt in prompts]
