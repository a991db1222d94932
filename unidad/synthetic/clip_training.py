"""Training of the small CLIP, on captioned renderings of synthetic scenes, and its card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from unidad.data.image_set import to_tensor
from unidad.features.clip import WEIGHTS, Clip, load_clip, save_clip, tokenize
from unidad.files import atomic_folder
from unidad.synthetic.clip_fitness import PARTS, Row, clip_fitness, markdown, rivals
from unidad.synthetic.descent import Descent, Making, seeded
from unidad.synthetic.pages import provenance, write_card
from unidad.synthetic.recipes import ClipTraining
from unidad.synthetic.scene_tokenizer import MAX_LENGTH, scene_tokenizer
from unidad.synthetic.scenes import LIVE, Scenes, render, source_scenes

NAME = "synthetic-scenes-clip"
ABOUT = (
    "A small CLIP for synthetic scenes: transformers' `CLIPModel`, trained by its contrastive loss "
    "on captioned renderings, never on generated images."
)
WRONG = (
    "Cosine of held-out renderings with right and with wrong captions: wrong in one part, with "
    "every other word of its kind in turn, or of another scene (any):"
)
WIDTH = 128
VISION_LAYERS, TEXT_LAYERS, HEADS = 4, 3, 4
SERIES = 1000
"""Added to the seed: series of scenes that no other training uses."""
DESCENT = Descent(rate=1e-3, warmup_share=0.1, weight_decay=0.05, clip_norm=1.0, fused=True)
HELD_OUT_SCENES = 1000
"""For the card."""
MOST_SCALE = log(100)
"""Bound of the logarithm of the inverse temperature (Radford et al. 2021)."""


@dataclass(frozen=True)
class Pool:
    """Rendered scenes with captions: the first half, then the twin of each.

    Attributes:
        images: uint8 (N, H, W, 3).
        captions: number (N,) of each scene's caption.
        tokens: int64 (captions, L), of each caption.
    """

    images: np.ndarray
    captions: np.ndarray
    tokens: Tensor


def train(settings: ClipTraining, making: Making) -> list[Row]:
    """Train a small CLIP and write it, with its card, into a folder.

    Every scene is seen beside its twin, which differs in one part of the description (class,
    context, property or accessory) and in what follows from it, so that every word counts.

    Args:
        settings: seed, sizes and updates; the defaults take six minutes on one core.
        making: its resolution is a multiple of 16.

    Returns:
        `clip_fitness` of the network as written.
    """
    clip = _trained(settings, making)
    with atomic_folder(making.out) as folder:
        save_clip(clip, folder)
        rows = clip_fitness(load_clip(folder), HELD_OUT_SCENES)
        facts = {
            **provenance(clip.model, folder / WEIGHTS, settings.seed, making.command),
            "updates": f"{settings.updates:,} of up to {settings.batch_size} of "
            f"{2 * settings.scenes:,} scenes",
            "side of a patch": f"{settings.patch_size} pixels",
        }
        write_card(folder, NAME, ABOUT, facts, WRONG, "\n".join(markdown(rows)))
    return rows


def told(rows: list[Row]) -> str:
    """What a training says of the CLIP that it made."""
    said = "wrong in {wrong_in}: the right caption is first in {first:.3f}"
    return "\n".join(said.format(**row) for row in rows)


def twins(scenes: Scenes, chance: np.random.Generator) -> Scenes:
    """Scenes that look the same but for one part of each description, chosen by chance."""
    descriptions = []
    for description in scenes.descriptions:
        parts = [part for part in PARTS if part != "accessory" or description.category in LIVE]
        others = rivals(description, parts[chance.integers(len(parts))])
        descriptions.append(others[chance.integers(len(others))])
    return Scenes(tuple(descriptions), scenes.values)


def distinct_batches(
    captions: np.ndarray, size: int, chance: np.random.Generator
) -> Iterator[np.ndarray]:
    """Rows of batches, without end: scenes with their twins, no caption twice.

    Args:
        captions: number of each scene's caption; the twins are the second half.
        size: even; batches have at most so many rows.
        chance: source of the order, another one in each pass.
    """
    pairs, half = len(captions) // 2, size // 2
    while True:
        order = chance.permutation(pairs)
        for start in range(0, pairs - half + 1, half):
            chosen = order[start : start + half]
            rows = np.concatenate([chosen, chosen + pairs])
            yield rows[np.unique(captions[rows], return_index=True)[1]]


def _trained(settings: ClipTraining, making: Making) -> Clip:
    tokenizer = scene_tokenizer()
    config = _config(tokenizer, making.resolution, settings.patch_size)
    model = seeded(settings.seed, lambda: CLIPModel(config)).train()
    chance = np.random.default_rng(settings.seed)
    pool = render_pool(settings, making.resolution, tokenizer, chance)
    batches = distinct_batches(pool.captions, settings.batch_size, chance)

    def loss(update: int) -> Tensor:
        _bound_scale(model)
        rows = next(batches)
        images = mirrored(to_tensor(pool.images[rows]), chance)
        return model(pool.tokens[pool.captions[rows]], images, return_loss=True).loss

    DESCENT.run(model, loss, settings.updates, "CLIP", making.progress)
    _bound_scale(model)
    return Clip(model, tokenizer, [0.5] * 3, [0.5] * 3)


def _bound_scale(model: CLIPModel) -> None:
    model.logit_scale.data.clamp_(max=MOST_SCALE)


def _config(tokenizer: CLIPTokenizer, resolution: int, patch_size: int) -> CLIPConfig:
    shared = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_attention_heads": HEADS,
        "projection_dim": WIDTH,
        "hidden_act": "gelu",
    }
    text = {
        "vocab_size": len(tokenizer),
        "num_hidden_layers": TEXT_LAYERS,
        "max_position_embeddings": MAX_LENGTH,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "num_hidden_layers": VISION_LAYERS,
        "image_size": resolution,
        "patch_size": patch_size,
    }
    return CLIPConfig(
        text_config=shared | text, vision_config=shared | vision, projection_dim=WIDTH
    )


def render_pool(
    settings: ClipTraining, resolution: int, tokenizer: CLIPTokenizer, chance: np.random.Generator
) -> Pool:
    """Draw all scenes and their twins.

    Raises:
        UserError: resolution out of range.
    """
    scenes = source_scenes(SERIES + settings.seed, range(settings.scenes))
    both = (scenes, twins(scenes, chance))
    images = np.concatenate([render(part, resolution) for part in both])
    said = [caption for part in both for caption in part.captions()]
    distinct, captions = np.unique(said, return_inverse=True)
    return Pool(images, captions, tokenize(tokenizer, distinct.tolist()))


def mirrored(x: Tensor, chance: np.random.Generator) -> Tensor:
    """Images (N, C, H, W), about half of them mirrored: no scene depends on left and right."""
    chosen = torch.from_numpy(chance.random(len(x)) < 0.5)
    return torch.where(chosen[:, None, None, None], x.flip(3), x)
