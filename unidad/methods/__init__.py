"""Training methods: one file each, over one trainer. `build_method` is the registry."""

from __future__ import annotations

import copy

import torch

from unidad.config import RunSpec
from unidad.methods.base import Method
from unidad.methods.dmd2 import Dmd2
from unidad.methods.finetune import Finetune
from unidad.methods.unidad import UniDad
from unidad.networks.diffusion_network import DiffusionNetwork
from unidad.networks.folder import load_network, new_network


def build_method(spec: RunSpec) -> Method:
    """Load the networks that a run spec names and put the method together.

    Fresh networks and heads are initialised from the spec's seed.

    Raises:
        UserError: a model folder is missing, unreadable or of another architecture.
    """
    torch.manual_seed(spec.seed)
    variant = spec.variant
    bf16 = variant.training.bf16
    student = _student(spec)
    if variant.method == "finetune":
        return Finetune(spec, student)
    teacher = load_network(spec.teacher, bf16)
    fake_score = copy.deepcopy(teacher)
    if variant.method == "dmd2":
        return Dmd2(spec, student, fake_score, teacher)
    if spec.target_teacher is not None:
        target_teacher = load_network(spec.target_teacher, bf16)
    else:
        target_teacher = copy.deepcopy(teacher) if variant.target_teacher == "online" else None
    return UniDad(
        spec, student, fake_score, teacher if variant.dmd_source else None, target_teacher
    )


def _student(spec: RunSpec) -> DiffusionNetwork:
    bf16 = spec.variant.training.bf16
    if spec.student is not None:
        return load_network(spec.student, bf16)
    network = spec.network
    return new_network(
        spec.resolution,
        network.unshuffle,
        network.channels,
        network.layers,
        network.prediction_type,
        bf16,
    )
