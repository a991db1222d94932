"""A run specification → the method with its networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from unidad.config.run import RunSpec
from unidad.config.text_to_image import Lora
from unidad.data.image_set import ImageSet, to_tensor
from unidad.errors import UserError
from unidad.features.frozen import load_frozen_features
from unidad.features.scene_network import SceneNetwork
from unidad.methods.base import Captions, Conditions, LearnedConditions, Method
from unidad.methods.dmd2 import Dmd2
from unidad.methods.echodistill import EchoDistill
from unidad.methods.finetune import Finetune
from unidad.methods.unidad import UniDad
from unidad.networks.backbone import Backbone
from unidad.networks.learned_token import LearnedToken
from unidad.networks.lora import on_base, sharing_copy
from unidad.networks.registry import load_backbone
from unidad.networks.text import TextEncoder
from unidad.networks.text_to_image_folder import load_codec, load_text_encoder
from unidad.networks.unet import new_network

TEXTS = 256
"""Captions embedded at once."""


def build_method(spec: RunSpec, captions: Sequence[str] = ()) -> Method:
    """Load the networks that a run spec names and put the method together.

    Fresh networks, heads and adapters are initialised from the spec's seed.

    Args:
        spec: the run.
        captions: of the training images, for a text-conditioned run without prompts.

    Raises:
        UserError: a model folder is missing, unreadable or of another architecture, or a prompt
            does not fit its tokenizer; captions are needed and there are none.
    """
    torch.manual_seed(spec.seed)
    variant = spec.variant
    if variant.method == "echodistill":
        return _echodistill(spec)
    conditions = _conditions(spec, captions)
    load = _loader(spec)
    student = _student(spec, load)
    if variant.method == "finetune":
        return Finetune(spec, _adapted(spec, student), conditions)
    teacher = _on_base(spec, load(spec.teacher), student)
    fake_score = _copy(spec, student if _starts_from_student(spec) else teacher)
    _adapted(spec, student)
    _adapted(spec, fake_score)
    if variant.method == "dmd2":
        return Dmd2(spec, student, fake_score, teacher, conditions)
    if spec.target_teacher is not None:
        target_teacher = load(spec.target_teacher)
    elif variant.target_teacher == "online":
        target_teacher = _adapted(spec, _copy(spec, teacher))
    else:
        target_teacher = None
    source_teacher = teacher if variant.dmd_source else None
    return UniDad(spec, student, fake_score, source_teacher, target_teacher, conditions)


def _conditions(spec: RunSpec, captions: Sequence[str]) -> Conditions | Captions | None:
    if spec.text_to_image is None:
        return None
    return (
        embed_captions(spec, captions)
        if spec.text_to_image.prompts is None
        else embed_prompts(spec)
    )


def embed_captions(spec: RunSpec, captions: Sequence[str]) -> Captions:
    """Embed the training images' captions, each distinct one once.

    Raises:
        UserError: there are none, one is too long, or the text encoder is missing.
    """
    if not captions:
        raise UserError(
            f"{spec.data}: images without captions; prepare captioned ones, or give "
            "text_to_image.prompts"
        )
    text = load_text_encoder(spec.student)
    distinct = sorted(set(captions))
    row_of = {caption: row for row, caption in enumerate(distinct)}
    rows = torch.tensor([row_of[caption] for caption in captions])
    parts = [text(distinct[start : start + TEXTS]) for start in range(0, len(distinct), TEXTS)]
    return Captions(torch.cat(parts), rows, text([""]))


def embed_prompts(spec: RunSpec) -> Conditions:
    """Embed a text-conditioned run's prompts; the text encoder is not needed again in training.

    Raises:
        UserError: a missing text encoder, a rare token or class that the tokenizer splits, or a
            prompt too long.
    """
    prompts = spec.text_to_image.prompts
    return Conditions(*_text_encoder(spec)([prompts.target, prompts.source, ""]).split(1))


def learned_prompts(spec: RunSpec) -> LearnedConditions:
    """The prompts of a run that learns the rare token's embedding; raises as `embed_prompts`."""
    prompts, text = spec.text_to_image.prompts, _text_encoder(spec)
    start = getattr(prompts, spec.variant.token_start)
    token = LearnedToken(text, prompts.rare_token, start)
    return LearnedConditions(token, prompts.target, *text([prompts.source, ""]).split(1))


def _text_encoder(spec: RunSpec) -> TextEncoder:
    """The student's, which knows the rare token and the class as whole words."""
    prompts = spec.text_to_image.prompts
    text = load_text_encoder(spec.student)
    text.check_words(prompts.rare_token, "prompts.rare_token")
    text.check_words(prompts.class_word, "prompts.class_word")
    return text


def _echodistill(spec: RunSpec) -> EchoDistill:
    variant, conditions, load = spec.variant, learned_prompts(spec), _loader(spec)
    student = _student(spec, load)
    teacher = _on_base(spec, load(spec.teacher), student)
    lora = _lora(spec)
    for network in (student, teacher):
        if lora is None:
            network.train_keys_and_values()
        else:
            network.add_adapters(lora.rank, "keys_and_values")
    features = {name: load_frozen_features(name, at) for name, at in variant.features.items()}
    perceptual = _perceptual(features.values()) if variant.texture == "lpips" else None
    photos = to_tensor(ImageSet.load(spec.data).images)
    return EchoDistill(spec, student, teacher, conditions, features, photos, perceptual)


def _perceptual(features: Iterable[nn.Module]) -> Callable[[Tensor], Tensor]:
    """LPIPS on a scene network if there is one, else the published one."""
    for network in features:
        if isinstance(network, SceneNetwork):
            return network.perceptual_rows
    from unidad.features.lpips_network import load_lpips  # slow to import, rarely wanted

    return load_lpips("vgg").perceptual_rows


def _loader(spec: RunSpec) -> Callable[..., Backbone]:
    """Model folder → network; text-conditioned networks share the student's autoencoder."""
    bf16 = spec.variant.training.bf16
    if spec.text_to_image is None:
        return partial(load_backbone, bf16=bf16)
    codec = load_codec(spec.student, spec.text_to_image.posterior)
    return partial(load_backbone, codec=codec, bf16=bf16)


def _student(spec: RunSpec, load: Callable[..., Backbone]) -> Backbone:
    if spec.text_to_image is not None:
        return load(spec.student, weights=spec.text_to_image.unet_weights)
    if spec.student is not None:
        return load(spec.student)
    network = spec.network
    return new_network(
        spec.resolution,
        network.unshuffle,
        network.channels,
        network.layers,
        network.prediction_type,
        spec.variant.training.bf16,
    )


def _starts_from_student(spec: RunSpec) -> bool:
    return spec.text_to_image is not None and spec.text_to_image.fake_score_start == "student"


def _lora(spec: RunSpec) -> Lora | None:
    return None if spec.text_to_image is None else spec.text_to_image.lora


def _copy(spec: RunSpec, network: Backbone) -> Backbone:
    """A second network that starts from the same weights; with adapters, on the same weights."""
    return sharing_copy(network, network.parameters() if _lora(spec) else ())


def _on_base(spec: RunSpec, network: Backbone, base: Backbone) -> Backbone:
    """With adapters, networks that start from the same weights keep them once."""
    return on_base(network, base) if _lora(spec) else network


def _adapted(spec: RunSpec, network: Backbone) -> Backbone:
    """Give a network that is to be trained its adapters, where the spec wants them."""
    lora = _lora(spec)
    if lora is not None:
        network.add_adapters(lora.rank, lora.layers)
    return network
