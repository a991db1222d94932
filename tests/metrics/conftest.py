"""A measured row with all its files, and a tiny CLIP."""

import copy

import numpy as np
import pytest
import torch
from row_fakes import SAMPLING, summary
from transformers import CLIPConfig, CLIPModel

from unidad.data.image_set import ImageSet
from unidad.features.clip import Clip
from unidad.features.feature_network import load_feature_network
from unidad.features.features import extract
from unidad.files import write_json
from unidad.synthetic.scene_tokenizer import scene_tokenizer


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
    network = load_feature_network(feature_network)
    draw = np.random.default_rng(0)
    files = {}
    for name, count in {"samples": 40, "training": 3, "reference": 50}.items():
        colours = draw.integers(0, 226, (count, 1, 1, 3))
        images = ImageSet((colours + draw.integers(0, 30, (count, 16, 16, 3))).astype(np.uint8))
        images.save(tmp_path / f"{name}.npz")
        extract(images, network).save(tmp_path / f"{name}_features.npz")
        files[name] = str(tmp_path / f"{name}.npz")
        files[f"{name}_features"] = str(tmp_path / f"{name}_features.npz")
    return {
        "run": {"variant": "Uni-DAD", "nfe": 3, "seed": 0},
        "domain": "babies",
        "network": str(feature_network),
        "images": files["samples"],
        "features": files["samples_features"],
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
