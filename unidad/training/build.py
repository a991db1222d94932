"""A run specification → the method with its networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unidad.config.run import RunSpec
from unidad.methods import METHODS
from unidad.methods.base import Method
from unidad.networks.models import Models


def build_method(spec: RunSpec, captions: Sequence[str] = ()) -> Method:
    """Load the networks that a run spec names and put the method together.

    Fresh networks, heads and adapters are initialised from the spec's seed.

    Args:
        spec: the run.
        captions: of the training images, for a text-conditioned run without prompts.

    Raises:
        UserError: a model folder is missing, unreadable or of another architecture, or a prompt
            does not fit its tokenizer; captions are needed and there are none.
    """
    torch.manual_seed(spec.seed)
    return METHODS[spec.variant.method].build(spec, Models(spec, captions))
