"""Tiny evaluation networks of every protocol, and a measured row of a subject."""

import json
from pathlib import Path

import pytest
import torch
from row_fakes import SAMPLING, summary
from subject_fakes import (
    DINO_PREPROCESSING,
    DINOV2_PREPROCESSING,
    PLAIN,
    PROMPTS,
    SIZES,
    WORDS,
    colours,
)
from torch import nn
from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from unidad.data.image_set import ImageSet
from unidad.features.clip import save_clip
from unidad.features.scene_network import SceneConfig, SceneNetwork, load_scene_network
from unidad.features.subject import SubjectNetworks


@pytest.fixture
def dino(tmp_path) -> Path:
    """A random DINO in its authors' layout: 224 x 224 pixels, patches of 16, no pooling layer."""
    torch.manual_seed(1)
    config = ViTConfig(**SIZES, intermediate_size=24, patch_size=16)
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "dino-vits16")
    preprocessing = tmp_path / "dino-vits16" / "preprocessor_config.json"
    preprocessing.write_text(json.dumps(DINO_PREPROCESSING))
    return tmp_path / "dino-vits16"


@pytest.fixture
def dinov2(tmp_path) -> Path:
    """A random DINOv2 in its authors' layout: positions for 518 x 518 pixels, patches of 14."""
    torch.manual_seed(1)
    config = Dinov2Config(**SIZES, image_size=518, patch_size=14)
    Dinov2Model(config).save_pretrained(tmp_path / "dinov2-large")
    preprocessing = tmp_path / "dinov2-large" / "preprocessor_config.json"
    preprocessing.write_text(json.dumps(DINOV2_PREPROCESSING))
    return tmp_path / "dinov2-large"


@pytest.fixture
def encoder_folder(tmp_path) -> Path:
    """A random scene network, whose embeddings and words tell images apart."""
    torch.manual_seed(0)
    network = SceneNetwork(SceneConfig("tiny", *WORDS, 16, (8, 8, 8, 8), embedding=6))
    for parameter in (p for p in network.parameters() if p.ndim > 1):
        nn.init.normal_(parameter, std=0.5)
    network.save(tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.fixture
def clip_folder(clip, tmp_path) -> Path:
    save_clip(clip, tmp_path / "clip")
    return tmp_path / "clip"


@pytest.fixture
def networks(clip, encoder_folder) -> SubjectNetworks:
    return SubjectNetworks(clip, load_scene_network(encoder_folder))


@pytest.fixture
def sets() -> dict[str, ImageSet]:
    """Samples, two of each prompt; photos; held-out pictures."""
    captions = tuple(prompt for prompt in PROMPTS for _ in range(2))
    return {
        "samples": ImageSet(colours(6, 0), captions=captions),
        "photos": ImageSet(colours(3, 1), captions=("a prt cat",) * 3),
        "reference": ImageSet(colours(9, 2)),
    }


@pytest.fixture
def features(networks, sets) -> dict:
    return {name: networks.features(images, PLAIN) for name, images in sets.items()}


@pytest.fixture
def subject_row(tmp_path, stored, encoder_folder, sets, features) -> dict:
    """A row's specification with all its files."""
    paths = {}
    for name, images in sets.items():
        images.save(tmp_path / f"{name}.npz")
        features[name].save(tmp_path / f"{name}_features.npz")
        paths[name] = str(tmp_path / f"{name}.npz")
        paths[f"{name}_features"] = str(tmp_path / f"{name}_features.npz")
    return {
        "task": "personalisation",
        "run": {"variant": "Uni-DAD", "nfe": 1, "seed": 0},
        "images": paths["samples"],
        "features": paths["samples_features"],
        "training_images": paths["photos"],
        "training_features": paths["photos_features"],
        "reference_images": paths["reference"],
        "encoder": str(encoder_folder),
        "protocol": "synthetic",
        "rare_token": "prt",
        "class_word": "cat",
        "prompts": PROMPTS,
        "grammar": True,
        "sampling": stored("sampling.json", **(SAMPLING | {"nfe": 1})),
        "training": [stored("own.json", **summary(100.5, 400, 900.0))],
    }
