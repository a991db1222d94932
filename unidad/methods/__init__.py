"""Training methods: one file each, over one training loop. `METHODS` is the registry."""

from __future__ import annotations

from unidad.methods.base import Method
from unidad.methods.consistency import Consistency
from unidad.methods.dmd2 import Dmd2
from unidad.methods.echodistill import EchoDistill
from unidad.methods.finetune import Finetune
from unidad.methods.sfddm import Sfddm
from unidad.methods.unidad import UniDad

METHODS: dict[str, type[Method]] = {
    "finetune": Finetune,
    "dmd2": Dmd2,
    "unidad": UniDad,
    "echodistill": EchoDistill,
    "consistency": Consistency,
    "sfddm": Sfddm,
}
PRETRAINING = "finetune"
"""What trains a source teacher, from a fresh network on the source set."""
