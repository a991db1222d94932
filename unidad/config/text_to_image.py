"""Settings of text-conditioned networks."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from unidad.config.section import NUMBER, Positive, Section, Text, Unit, Word


class Lora(Section):
    """Low-rank adapters in place of full training, in every trained network."""

    rank: Annotated[int, Field(ge=1, le=4096), NUMBER] = 16
    """Of the adapters."""
    layers: Literal["attention", "all"] = "attention"
    """Adapt the attention's projections, or all linear layers and convolutions. EchoDistill adapts
    the keys and values of cross-attention whatever stands here."""


class Prompts(Section):
    """What text-conditioned networks read."""

    class_word: Text
    """The subject's class: cat, stuffed animal."""
    rare_token: Word = "prt"
    """The word that comes to stand for the subject."""
    target: str
    """Prompt of the subject, with both: a prt cat."""
    source: str
    """Prompt of the class, for the source teacher and for prior preservation: a cat."""
    word_start: Text | None = None
    """Words whose embeddings' mean a learned rare token starts from; null: as the method says."""

    @model_validator(mode="after")
    def _name_the_subject(self) -> Prompts:
        for key, word in (("rare_token", self.rare_token), ("class_word", self.class_word)):
            if not mentions(self.target, word):
                raise ValueError(f"target: '{self.target}' does not contain {key} '{word}'")
        if not mentions(self.source, self.class_word):
            raise ValueError(
                f"source: '{self.source}' does not contain class_word '{self.class_word}'"
            )
        if mentions(self.source, self.rare_token):
            raise ValueError(
                f"source: '{self.source}' contains rare_token '{self.rare_token}', "
                "which means nothing to the source teacher"
            )
        return self


def mentions(prompt: str, phrase: str) -> bool:
    """Whether a prompt holds a phrase as words of its own."""
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", prompt) is not None


class Prior(Section):
    """Prior preservation (DreamBooth): a second denoising loss, on images of the class."""

    images: Text
    """Path of an image set of the class, read with the source prompt."""
    weight: Positive = 1.0
    """Of the loss prior_preservation."""


class TextToImage(Section):
    """Personalisation: the networks are text-to-image pipelines (Stable Diffusion 1 and 2)."""

    prompts: Prompts | None = None
    """What the networks read; null: each image is read with its own caption (training on the
    source)."""
    caption_dropout: Unit = 0.1
    """Share of captioned images that the denoising loss of method finetune reads with the empty
    caption instead, which guidance needs."""
    guidance_scale: Positive = 7.5
    """Classifier-free guidance of the teachers, and of many-step sampling; 1 turns it off. Student
    and fake score have none."""
    unet_weights: Text | None = None
    """A bare U-Net state dict for the student in place of its folder's own: a distilled release."""
    fake_score_start: Literal["student", "teacher"] = "student"
    """Whose weights the fake score starts from where distillation.fake_score_start is null."""
    fake_score_weights: Text | None = None
    """A U-Net state dict that the fake score starts from instead: that of a distilled release."""
    fake_score_prefix: Text | None = None
    """What the names of its weights begin with there; null: the file holds one network."""
    posterior: Literal["mean", "sample"] = "mean"
    """What stands for a training image: the mean of the autoencoder's posterior, or one sample of
    it, drawn before training."""
    lora: Lora | None = None
    """Train adapters alone; null trains all weights."""
    prior: Prior | None = None
    """Prior preservation, with method finetune; null leaves it out."""
