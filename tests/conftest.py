"""Tiny real networks and image sets, shared by the tests."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import torch

from unidad.config import RunSpec
from unidad.data.image_set import ImageSet
from unidad.networks.folder import new_network
from unidad.pipeline import UnidadPipeline

torch.set_num_threads(1)

CHANNELS = (32, 32)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return new_network(16, 2, CHANNELS)


@pytest.fixture
def model_folder(tmp_path, network):
    folder = tmp_path / "model"
    UnidadPipeline(network.unet, network.scheduler, "ddim", 4).save_pretrained(folder)
    return folder


@pytest.fixture
def image_set():
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    return ImageSet(images)


@pytest.fixture
def make_spec(tmp_path, model_folder, image_set):
    """Run specifications over the tiny model and images."""
    image_set.save(tmp_path / "images.npz")

    def make(method: str, training: dict | None = None, **variant) -> RunSpec:
        settings = {
            "student_updates": 4,
            "batch_size": 2,
            "warmup_updates": 2,
            "checkpoint_every": 2,
            "sample_every": 0,
            "log_every": 1,
            "trackers": (),
        }
        variant = {"method": method, "nfe": 2, "training": settings | (training or {})} | variant
        if method == "unidad":
            variant = {"dmd_target_share": 0.25} | variant
        return RunSpec(
            target="babies",
            shots=6,
            label=method,
            seed=3,
            data=str(tmp_path / "images.npz"),
            student=str(model_folder),
            teacher=None if method == "finetune" else str(model_folder),
            resolution=16,
            network={},
            diffusion={},
            variant=variant,
        )

    return make
