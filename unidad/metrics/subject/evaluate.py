"""All metrics of one image set of a subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from unidad.data.image_set import ImageSet
from unidad.data.prompts import without_token
from unidad.errors import UserError
from unidad.features.subject import Encoder, SubjectFeatures
from unidad.metrics.evaluate import measured, perceptual_batches
from unidad.metrics.memorisation import share_nearer
from unidad.metrics.rows import squared_distances
from unidad.metrics.subject.diversity import prompt_diversity
from unidad.metrics.subject.similarity import (
    similarity_among,
    similarity_to,
    similarity_to_prompts,
)
from unidad.metrics.subject.success import PARTS, prompt_success

METRICS = (
    *("clip_i", "instance_similarity", "clip_t", "intra_lpips", "inter_lpips"),
    *("prompt_success", *(f"{part}_success" for part in PARTS), "memorisation"),
)


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


def evaluate_subject(
    samples: ImageSet,
    features: SubjectFeatures,
    photos: ImageSet,
    photo_features: SubjectFeatures,
    encoder: Encoder,
    answers: Answers,
    reference: ImageSet | None = None,
    *,
    are_photos: bool = False,
    grammar: bool = False,
    clamp: bool = False,
    progress: bool = True,
) -> dict[str, float | None]:
    """Every metric in METRICS; null (None) where it cannot be measured.

    Args:
        samples: the images to measure.
        features: of the samples and their prompts.
        photos: the subject's training photos.
        photo_features: theirs.
        encoder: whose maps LPIPS is measured in.
        answers: which sample answers which prompt.
        reference: held-out pictures of the subject; without them memorisation is null.
        are_photos: the samples are the training photos: none is compared with itself.
        grammar: the prompts are those of the synthetic scenes. Otherwise, or where the encoder
            knows no words, prompt success is null.
        clamp: count negative cosines as 0.
        progress: show a progress bar for the perceptual maps, which are computed once an image.

    Raises:
        UserError: features that do not belong to the images, hold NaN, or differ in width.
    """
    _check_images(samples, features, photos, reference)
    metrics = dict.fromkeys(METRICS)
    for name, ours, theirs in (
        ("clip_i", features.clip, photo_features.clip),
        ("instance_similarity", features.instance, photo_features.instance),
    ):
        if are_photos:
            metrics[name] = measured(similarity_among, theirs, clamp)
        else:
            metrics[name] = similarity_to(theirs, ours, clamp)
    clip, text = features.clip[answers.images], features.text(answers.prompts)
    metrics["clip_t"] = similarity_to_prompts(clip, text, clamp)
    if grammar and features.words:
        words = {p: np.array(w, str)[answers.images] for p, w in features.words.items()}
        metrics |= prompt_success(words, answers.prompts)
    return metrics | _lpips_metrics(samples, answers, photos, reference, encoder, progress)


def _check_images(
    samples: ImageSet, features: SubjectFeatures, photos: ImageSet, reference: ImageSet | None
) -> None:
    if len(features) != len(samples):
        raise UserError(
            f"samples: {len(samples)} images, but features of {len(features)}; compute them again"
        )
    if len({images.images.shape[1:] for images in (samples, photos, reference or photos)}) > 1:
        raise UserError(
            "samples, photos and held-out pictures differ in resolution; bring them to one"
        )


def _numbers(prompts: Sequence[str]) -> list[int]:
    known: dict[str, int] = {}
    return [known.setdefault(prompt, len(known)) for prompt in prompts]


def _lpips_metrics(
    samples: ImageSet,
    answers: Answers,
    photos: ImageSet,
    reference: ImageSet | None,
    encoder: Encoder,
    progress: bool,
) -> dict[str, float | None]:
    """Diversity and memorisation; every image passes the network once, batch by batch."""
    known = torch.cat(list(perceptual_batches(photos, encoder, False, False)))
    nearest = []

    def rows() -> Iterator[Tensor]:
        for batch in _perceptual_batches(samples, answers, encoder, progress):
            nearest.append(squared_distances(batch, known).amin(1))
            yield from batch

    intra, inter = prompt_diversity(rows(), answers.numbers)
    metrics = {"intra_lpips": intra, "inter_lpips": inter}
    if reference is not None:
        batches = perceptual_batches(reference, encoder, False, progress)
        held_out = torch.cat([squared_distances(batch, known).amin(1) for batch in batches])
        metrics["memorisation"] = share_nearer(torch.cat(nearest), held_out)
    return metrics


def _perceptual_batches(
    samples: ImageSet, answers: Answers, encoder: Encoder, progress: bool
) -> Iterable[Tensor]:
    """Rows (n, P) of the answers; an image that answers several prompts is passed once."""
    if len(answers.images) == len(samples):
        ordered = ImageSet(samples.images[answers.images])
        return perceptual_batches(ordered, encoder, False, progress)
    rows = torch.cat(list(perceptual_batches(samples, encoder, False, progress)))
    return repeat(rows, len(answers.images) // len(samples))
