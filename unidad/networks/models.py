"""The networks of a run: a method asks for them by role, in the order it wants them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch

from unidad.config.run import RunSpec
from unidad.data.image_set import ImageSet
from unidad.data.prompts import fill, read_prompts, templates_file
from unidad.errors import UserError
from unidad.networks.backbone import Backbone
from unidad.networks.codec import LatentCodec
from unidad.networks.conditions import Captions, Conditions, LearnedConditions
from unidad.networks.learned_token import LearnedToken
from unidad.networks.lora import on_base, sharing_copy
from unidad.networks.patches import PatchCodec
from unidad.networks.registry import load_backbone
from unidad.networks.text import TextEncoder
from unidad.networks.text_to_image_folder import load_codec, load_text_encoder
from unidad.networks.unet import new_network
from unidad.networks.weights import part_of_state, read_weights

TEXTS = 256
"""Captions embedded at once."""


class Models:
    """Loads, copies and adapts the networks that a run specification names.

    Text-conditioned networks share the student's autoencoder. Where adapters are trained, networks
    that start from the same weights keep them once.

    Fresh networks and adapters draw from torch's global generator, so the order in which a method
    asks is a part of what its seed stands for.

    Args:
        spec: the run.
        captions: of the training images, for a text-conditioned run without prompts.
    """

    def __init__(self, spec: RunSpec, captions: Sequence[str] = ()):
        self.spec, self.captions = spec, captions
        self.lora = None if spec.text_to_image is None else spec.text_to_image.lora

    def student(self) -> Backbone:
        """The student as it starts: loaded, or fresh where the spec names no folder.

        Raises:
            UserError: as `load`.
        """
        spec = self.spec
        if spec.student is not None:
            text = spec.text_to_image
            return self.load(spec.student, weights=None if text is None else text.unet_weights)
        network, codec = spec.network, None
        if network.components is not None:
            images = ImageSet.load(spec.data).images
            codec = PatchCodec.fitted(images, network.unshuffle, network.components)
        architecture = network.model_dump(exclude={"components"})
        bf16 = spec.variant.training.bf16
        return new_network(spec.resolution, **architecture, bf16=bf16, codec=codec)

    def teacher(self, student: Backbone) -> Backbone:
        """The (source) teacher, perhaps on the student's weights; raises as `load`."""
        teacher = self.load(self.spec.teacher)
        return teacher if self.lora is None else on_base(teacher, student)

    def load(self, folder: str, weights: str | None = None) -> Backbone:
        """The network of a model folder.

        Args:
            folder: of the model.
            weights: a file to be read in place of the folder's own.

        Raises:
            UserError: it is missing, unreadable or of another architecture.
        """
        return load_backbone(folder, self.spec.variant.training.bf16, self._codec, weights)

    def copy(self, network: Backbone) -> Backbone:
        """A second network that starts from the same weights; with adapters, on the same ones."""
        return sharing_copy(network, () if self.lora is None else network.parameters())

    def fake_score(self, start: Backbone) -> Backbone:
        """A copy of ``start``, or with the weights of the file that the spec names for it.

        Raises:
            UserError: the file is missing, unreadable or of another architecture.
        """
        text = self.spec.text_to_image
        if text is None or text.fake_score_weights is None:
            return self.copy(start)
        network = copy.deepcopy(start)
        path, expected = Path(text.fake_score_weights), network.model.state_dict()
        state = part_of_state(read_weights(path), expected, text.fake_score_prefix, str(path))
        network.model.load_state_dict(state)
        return network

    def adapted(self, network: Backbone) -> Backbone:
        """The network, to be trained: given its adapters where the spec wants them."""
        if self.lora is not None:
            network.add_adapters(self.lora.rank, self.lora.layers)
        return network

    def reading_alone(self, network: Backbone) -> Backbone:
        """The network, of which keys and values of cross-attention, or their adapters, learn."""
        if self.lora is None:
            network.train_keys_and_values()
        else:
            network.add_adapters(self.lora.rank, "keys_and_values")
        return network

    def conditions(self) -> Conditions | Captions | None:
        """Embeddings of the run's prompts, else of its captions; None without text.

        Raises:
            UserError: a missing text encoder, a rare token or class that the tokenizer splits, a
                text too long, or images without captions.
        """
        if self.spec.text_to_image is None:
            return None
        prompts = self.spec.text_to_image.prompts
        if prompts is None:
            return self._captions()
        # Not needed again in training, so the text encoder is not kept.
        return Conditions(*self._text_encoder()([prompts.target, prompts.source, ""]).split(1))

    def learned_conditions(self, start: str, templates: str | None = None) -> LearnedConditions:
        """The prompts of a run that learns the rare token's embedding; raises as `conditions`.

        Args:
            start: the prompts' word whose embedding it starts from, unless they name one.
            templates: of what is read in training, see `templates_file`; None: the target's prompt.
        """
        prompts, text = self.spec.text_to_image.prompts, self._text_encoder()
        if prompts.word_start is not None:
            text.check_words(prompts.word_start, "prompts.word_start")
        token = LearnedToken(
            text, prompts.rare_token, prompts.word_start or getattr(prompts, start)
        )
        read = () if templates is None else read_prompts(templates_file(templates))
        training = [
            fill(template, f"{prompts.rare_token} {prompts.class_word}") for template in read
        ]
        fixed = text([prompts.source, ""]).split(1)
        return LearnedConditions(token, prompts.target, *fixed, training)

    @cached_property
    def _codec(self) -> LatentCodec | None:
        text = self.spec.text_to_image
        return None if text is None else load_codec(self.spec.student, text.posterior)

    def _captions(self) -> Captions:
        if not self.captions:
            raise UserError(
                f"{self.spec.data}: images without captions; prepare captioned ones, or give "
                "text_to_image.prompts"
            )
        text = load_text_encoder(self.spec.student)
        distinct = sorted(set(self.captions))
        row_of = {caption: row for row, caption in enumerate(distinct)}
        rows = torch.tensor([row_of[caption] for caption in self.captions])
        parts = [text(distinct[start : start + TEXTS]) for start in range(0, len(distinct), TEXTS)]
        return Captions(torch.cat(parts), rows, text([""]))

    def _text_encoder(self) -> TextEncoder:
        """The student's, which knows the rare token and the class as whole words."""
        prompts = self.spec.text_to_image.prompts
        text = load_text_encoder(self.spec.student)
        text.check_words(prompts.rare_token, "prompts.rare_token")
        text.check_words(prompts.class_word, "prompts.class_word")
        return text
