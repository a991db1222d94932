"""Compiling the networks of a method (torch.compile), and where what is compiled is kept."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import torch

from unidad.networks.backbone import Backbone

CACHE = "TORCHINDUCTOR_CACHE_DIR"


def compile_networks(networks: Iterable[Backbone]) -> None:
    """Compile each in place; parameters keep their names. What does not compile runs as it is."""
    torch._dynamo.config.suppress_errors = True
    separate_processors()
    for network in networks:
        network.compile()


def separate_processors() -> None:
    """Give each kind of processor a folder of its own in torch's cache of compiled code.

    Torch looks graphs up without their vector instructions: code made with AVX2 and loaded where
    there is AVX-512, or the other way round, gives NaN or aborts (torch 2.15), as it does on nodes
    of a cluster that share a folder.
    """
    from torch._inductor.runtime.cache_dir_utils import cache_dir  # slow to import

    kind = torch.backends.cpu.get_cpu_capability()
    folder = Path(cache_dir())
    if folder.name != kind:
        os.environ[CACHE] = str(folder / kind)
