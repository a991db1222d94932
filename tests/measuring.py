"""Measured rows of both tasks with all their files, over tiny networks; a plugin of conftest.py."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import CLIPConfig, CLIPModel, Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from unidad.data.image_set import ImageSet
from unidad.features.clip import Clip, save_clip
from unidad.features.contract import Together
from unidad.features.extractors import load_extractor
from unidad.features.features import extract
from unidad.features.scene_network import SceneConfig, SceneNetwork
from unidad.files import write_json
from unidad.synthetic.scene_tokenizer import scene_tokenizer

SAMPLING = {"nfe": 3, "gflops_per_image": 1.5, "images_per_second": 40.0}


def summary(seconds, updates, memory):
    return {
        "seconds": seconds,
        "updates": {"student": updates, "fake_score": 5 * updates},
        "peak_memory_mb": memory,
        "iterations": 999,
    }


WORDS = (("cat", "dog"), ("", "in the snow"), ("", "red"), ("", "wearing pink glasses"))
PROMPTS = ["a red prt cat", "a prt cat in the snow", "a prt cat wearing pink glasses"]
PLAIN = [prompt.replace("prt ", "") for prompt in PROMPTS]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}

# As the models' authors publish them.
DINO_PREPROCESSING = {
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "ViTFeatureExtractor",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 2,
    "size": 224,
}
DINOV2_PREPROCESSING = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "BitImageProcessor",
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 256},
}


def colours(count: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    noise = draw.integers(0, 60, (count, 16, 16, 3))
    return (draw.integers(0, 196, (count, 1, 1, 3)) + noise).astype(np.uint8)


@pytest.fixture
def stored(tmp_path):
    """Write a JSON file; returns its path."""

    def write(name, **content):
        write_json(tmp_path / name, content)
        return str(tmp_path / name)

    return write


@pytest.fixture
def row(tmp_path, stored, feature_network):
    """A row's specification with all its files, over random colours and a random network."""
    network = load_extractor(feature_network)
    draw = np.random.default_rng(0)
    files = {}
    for name, count in {"samples": 40, "training": 3, "reference": 50}.items():
        colours = draw.integers(0, 226, (count, 1, 1, 3))
        images = ImageSet((colours + draw.integers(0, 30, (count, 16, 16, 3))).astype(np.uint8))
        images.save(tmp_path / f"{name}.npz")
        seen = extract(images, network, mirrored=name == "training")
        seen.save(tmp_path / f"{name}_features.npz")
        files[name] = str(tmp_path / f"{name}.npz")
        files[f"{name}_features"] = str(tmp_path / f"{name}_features.npz")
    return {
        "task": "generation",
        "run": {"variant": "Uni-DAD", "nfe": 3, "seed": 0},
        "domain": "babies",
        "networks": [str(feature_network)],
        "images": files["samples"],
        "features": files["samples_features"],
        "reference_images": files["reference"],
        "reference_features": files["reference_features"],
        "training_images": files["training"],
        "training_features": files["training_features"],
        "sampling": stored("sampling.json", **SAMPLING),
        "training": [stored("own.json", **summary(100.5, 400, 900.0))],
        "trajectory": None,
        "intra_lpips": {"members": 100, "small_clusters": "zero", "unit_range": False},
    }


@pytest.fixture(scope="session")
def scene_words():
    return scene_tokenizer()


@pytest.fixture
def clip(scene_words):
    """A random one over 16 × 16 pixels, the weights rounded as its file has them."""
    torch.manual_seed(0)
    tokenizer = copy.deepcopy(scene_words)
    shared = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}
    shared |= {"num_hidden_layers": 2, "projection_dim": 12}
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 24}
    text |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    config = CLIPConfig(
        text_config=shared | text,
        vision_config=shared | {"image_size": 16, "patch_size": 8},
        projection_dim=12,
    )
    model = CLIPModel(config).bfloat16().float()
    return Clip(model, tokenizer, (0.48, 0.46, 0.41), (0.27, 0.26, 0.28))


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
def saved_clip(clip, tmp_path) -> Path:
    save_clip(clip, tmp_path / "clip")
    return tmp_path / "clip"


@pytest.fixture
def networks(clip, encoder_folder) -> Together:
    return Together([clip, load_extractor(encoder_folder)])


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
    return {name: extract(images, networks, PLAIN) for name, images in sets.items()}


@pytest.fixture
def subject_row(tmp_path, stored, saved_clip, encoder_folder, sets, features) -> dict:
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
        "networks": [str(saved_clip), str(encoder_folder)],
        "protocol": "synthetic",
        "rare_token": "prt",
        "prompts": PROMPTS,
        "grammar": True,
        "sampling": stored("sampling.json", **(SAMPLING | {"nfe": 1})),
        "training": [stored("own.json", **summary(100.5, 400, 900.0))],
        "trajectory": None,
    }
