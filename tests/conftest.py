"""Tiny real networks, pipelines and image sets, shared by the tests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import nn
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    Dinov2Config,
    Dinov2Model,
)

from unidad.config.run import RunSpec
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.feature_network import FeatureConfig, FeatureNetwork
from unidad.features.scene_network import SceneConfig, SceneNetwork
from unidad.files import write_json
from unidad.methods.specs import run_spec
from unidad.networks.text_to_image_folder import load_text_encoder
from unidad.networks.unet import new_network

pytest_plugins = ["measuring"]
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

CHANNELS = (32, 32)


@pytest.fixture
def complaint_of():
    """``with complaint_of(path, match):`` a UserError of one line, about that path."""

    @contextmanager
    def check(path: Path | str, match: str) -> Iterator[None]:
        with pytest.raises(UserError, match=match) as error:
            yield
        assert str(error.value).startswith(str(path))
        assert len(str(error.value).splitlines()) == 1

    return check


@pytest.fixture
def network():
    torch.manual_seed(0)
    return new_network(16, 2, CHANNELS)


@pytest.fixture
def model_folder(tmp_path, network):
    folder = tmp_path / "model"
    network.save(folder, "ddim", 4)
    return folder


@pytest.fixture
def image_set():
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    return ImageSet(images)


@pytest.fixture
def feature_network(tmp_path) -> Path:
    """Folder of a random one, whose features tell images apart."""
    torch.manual_seed(0)
    config = FeatureConfig("colours", ("babies", "cats"), tuple("abcd"), 16, (8, 8, 8, 8), 4)
    network = FeatureNetwork(config)
    for parameter in (p for p in network.parameters() if p.ndim > 1):
        nn.init.normal_(parameter, std=0.5)
    network.save(tmp_path / "features")
    return tmp_path / "features"


def tiny_spec(
    method: str, training: dict | None, data: Path, model: Path, variant: dict, **settings
) -> RunSpec:
    """A run over 16x16 images that starts from `model`, and is taught by it but for finetune."""
    brief = {
        "student_updates": 4,
        "batch_size": 2,
        "warmup_updates": 2,
        "checkpoint_every": 2,
        "sample_every": 0,
        "log_every": 1,
        "trackers": (),
    }
    variant = {"method": method, "training": brief | (training or {})} | variant
    settings |= {
        "shots": 6,
        "label": method,
        "seed": 3,
        "data": str(data),
        "student": str(model),
        "teacher": None if method == "finetune" and "pairwise" not in variant else str(model),
        "resolution": 16,
        "network": {},
        "variant": variant,
    }
    return run_spec(settings, "spec")


@pytest.fixture
def make_spec(tmp_path, model_folder, image_set):
    """Run specifications over the tiny model and images."""
    image_set.save(tmp_path / "images.npz")

    def make(method: str, training: dict | None = None, **variant) -> RunSpec:
        if method == "unidad":
            variant = {"dmd_target_share": 0.25} | variant
        return tiny_spec(
            method,
            training,
            tmp_path / "images.npz",
            model_folder,
            {"nfe": 2} | variant,
            target="babies",
            diffusion={},
        )

    return make


@pytest.fixture
def make_subject_spec(tmp_path, stable_diffusion, image_set):
    """Run specifications over the tiny text-to-image pipeline: `settings` are text_to_image's."""
    image_set.save(tmp_path / "subject.npz")

    def make(
        method: str, training: dict | None = None, settings: dict | None = None, **variant
    ) -> RunSpec:
        prompts = {"class_word": "cat", "target": "a prt cat", "source": "a cat"}
        if method in ("dmd2", "unidad"):
            rounds = {"fake_score_updates_per_student_update": 2}
            variant = {"distillation": rounds} | variant
        if method == "unidad":
            variant = {"dmd_target_share": 0.75} | variant
        return tiny_spec(
            method,
            training,
            tmp_path / "subject.npz",
            stable_diffusion,
            {"nfe": 1} | variant,
            target="my cat",
            diffusion={"spacing": "timesteps", "sigma_data": None},
            text_to_image={"prompts": prompts} | (settings or {}),
        )

    return make


WORDS = ("a", "cat", "dog", "photo", "prt", "of")
START, END = "<|startoftext|>", "<|endoftext|>"


def write_tokenizer(folder: Path) -> None:
    """Byte-pair merges, left to right, that make every word of WORDS one token."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    merges, tokens = [], [*letters, *(letter + "</w>" for letter in letters)]
    for word in WORDS:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            merges.append(f"{pieces[0]} {pieces[1]}")
            pieces[:2] = [pieces[0] + pieces[1]]
            tokens.append(pieces[0])
    vocabulary = {token: index for index, token in enumerate([*tokens, START, END])}
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 77}))


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    torch.manual_seed(2)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=4,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


@pytest.fixture
def tiny_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=16,
    )


@pytest.fixture
def tiny_vae() -> AutoencoderKL:
    torch.manual_seed(1)
    return AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=16,
    )


@pytest.fixture
def stable_diffusion(tmp_path, tiny_unet, tiny_vae) -> Path:
    """A pipeline folder as Stable Diffusion 1.5 lies on disk, its scheduler a PNDM."""
    write_tokenizer(tmp_path / "words")
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "words")
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
    )
    pipeline = StableDiffusionPipeline(
        tiny_vae.eval(),
        new_text_encoder(tokenizer).eval(),
        tokenizer,
        tiny_unet.eval(),
        scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(tmp_path / "stable-diffusion")
    return tmp_path / "stable-diffusion"


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
