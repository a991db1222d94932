"""Tiny frozen networks for EchoDistill, and run specifications that name them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import CLIPConfig, CLIPModel, Dinov2Config, Dinov2Model

from unidad.config.run import RunSpec
from unidad.features.scene_network import SceneConfig, SceneNetwork
from unidad.files import write_json
from unidad.networks.text_to_image_folder import load_text_encoder

MEAN, STD = [0.5, 0.4, 0.3], [0.3, 0.2, 0.25]


def write_preprocessing(folder: Path, size: int) -> None:
    sizes = {"size": {"shortest_edge": size + 2}, "crop_size": {"height": size, "width": size}}
    settings = {"image_processor_type": "BitImageProcessor", "image_mean": MEAN, "image_std": STD}
    write_json(folder / "preprocessor_config.json", settings | sizes)


@pytest.fixture
def clip_folder(tmp_path, stable_diffusion) -> Path:
    """A random CLIP of 16x16 images: four patches and a class token, 32 dims."""
    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 1}
    tokenizer = load_text_encoder(stable_diffusion).tokenizer
    config = CLIPConfig(
        text_config=sizes | {"num_attention_heads": 2, "vocab_size": len(tokenizer)},
        vision_config=sizes | {"num_attention_heads": 2, "image_size": 16, "patch_size": 8},
        projection_dim=16,
    )
    folder = tmp_path / "clip"
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_preprocessing(folder, 16)
    return folder


@pytest.fixture
def dino_folder(tmp_path) -> Path:
    """A random DINOv2 of 24x24 images: nine patches and a class token, 24 dims."""
    torch.manual_seed(4)
    config = Dinov2Config(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, image_size=24, patch_size=8
    )
    folder = tmp_path / "dino"
    Dinov2Model(config).save_pretrained(folder)
    write_preprocessing(folder, 24)
    return folder


@pytest.fixture
def scene_folder(tmp_path) -> Path:
    """A random scene network of 16x16 images, whose last map has four places and 16 channels."""
    torch.manual_seed(5)
    words = {part: ("", part) for part in ("context", "property", "accessory")}
    network = SceneNetwork(SceneConfig("scenes", ("cat", "dog"), **words, **SCENE_SIZES))
    for parameter in (p for p in network.parameters() if p.ndim > 1):
        nn.init.normal_(parameter, std=0.3)
    network.save(tmp_path / "scenes")
    return tmp_path / "scenes"


SCENE_SIZES = {"resolution": 16, "channels": (8, 8, 16, 16), "embedding": 8}


@pytest.fixture
def make_echo_spec(make_subject_spec, clip_folder, dino_folder):
    """Run specifications of EchoDistill: two echo rounds, of one update each, at the end."""

    def make(training: dict | None = None, settings: dict | None = None, **variant) -> RunSpec:
        features = {"clip": str(clip_folder), "dino": str(dino_folder)}
        echo = {"echo_rounds": 2, "echo_updates": 1, "echo_candidates": 4, "echo_filter": 0.5}
        variant = {"features": features} | echo | variant
        return make_subject_spec("echodistill", training, settings, **variant)

    return make
