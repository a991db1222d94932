"""What an experiment about subjects adds."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from unidad.config.section import Count, Images, Positive, Section, Text, Word
from unidad.config.text_to_image import Lora
from unidad.synthetic.recipes import SceneModels


class PriorImages(Section):
    """Prior preservation (DreamBooth) on images that the source teacher draws of the class."""

    images: Images = 100
    """How many."""
    weight: Positive = 1.0
    """Of the loss prior_preservation."""


class Personalisation(Section):
    """Subjects in place of domains: text-to-image networks learn what a rare word stands for."""

    rare_token: Word = "prt"
    """The word that comes to stand for the subject; the tokenizer must know it."""
    prompts: Text = "standard"
    """What is drawn and measured: standard (the 25 DreamBooth prompts of objects or of live
    subjects), or a file of one's own, one prompt a line with {} for the subject."""
    images_per_prompt: Images = 4
    """Images drawn of each prompt."""
    guidance_scale: Positive = 7.5
    """Classifier-free guidance of the teachers and of many-step sampling; 1 turns it off."""
    student_unet: Text | None = None
    """Path of a bare U-Net state dict to load over source_student's own: a distilled release."""
    fake_score_weights: Text | None = None
    """Path of a U-Net state dict that the fake score of students of source_student starts from: the
    one that distilled such a release, and knows what it draws; null: see
    distillation.fake_score_start."""
    fake_score_prefix: Text | None = None
    """What the names of its weights begin with in that file; null: the only network in it."""
    posterior: Literal["mean", "sample"] = "mean"
    """What stands for a training image: the mean of the autoencoder's posterior, or a sample."""
    lora: Lora | None = None
    """Train adapters alone; null trains all weights."""
    prior: PriorImages | None = None
    """Prior preservation in every finetune variant; null leaves it out."""
    protocol: Literal["synthetic", "unidad", "echodistill"] = "synthetic"
    """How fidelity is measured: with the embedded networks, or those of a paper."""
    clip_t_prompt: Literal["class", "subject"] = "class"
    """What CLIP-T compares images with: their prompts without the rare token, or as they were drawn
    (the paper's code)."""
    measured_photos: Count | None = None
    """Photos that DINO and CLIP-I compare with, the first so many; null: all (the paper's code: 4).
    """
    measured_images: Count | None = None
    """Images of each prompt that DINO, CLIP-I and CLIP-T are taken of, the first so many; null:
    all (the paper's code: 4)."""
    scene_models: SceneModels = SceneModels()
    """How source_teacher, source_student and feature_network are trained where they are train."""

    @model_validator(mode="after")
    def _prefix_of_a_file(self) -> Self:
        if self.fake_score_prefix is not None and self.fake_score_weights is None:
            raise ValueError("'fake_score_prefix' goes with 'fake_score_weights'")
        return self
