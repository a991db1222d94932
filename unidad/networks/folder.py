"""Models on disk: a configuration with weights, in a folder of a pipeline with an index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from torch import nn

from unidad.errors import UserError, one_line
from unidad.files import read_json, write_json
from unidad.networks.weights import State, check_state, read_weights, write_weights

INDEX = "model_index.json"
DRAWING = "drawing.json"
"""How to draw with a pipeline of a library's own, whose index takes no further entries."""
WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"
FORMER_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}

if TYPE_CHECKING:
    from diffusers import ModelMixin

Model = TypeVar("Model", bound=nn.Module)


def load_model(
    folder: Path,
    build: Callable[[dict], Model],
    layout: str,
    weights: Path | None = None,
    rename: Callable[[State], State] | None = None,
) -> Model:
    """Build a model from ``config.json`` and load its weights, as float32.

    Args:
        folder: of this model.
        build: configuration → model.
        layout: what a whole folder looks like, the end of the message if there is none.
        weights: their file, by default the folder's own; see `read_weights`.
        rename: brings names of older releases to those of today.

    Raises:
        UserError: a missing or unreadable file, or weights of another architecture.
    """
    config_file = folder / "config.json"
    config = read_json(config_file, layout)
    try:
        model = build(config)
    except UserError as error:
        raise UserError(f"{config_file}: {error}") from None
    except Exception as error:  # whatever a library's constructor makes of the values
        raise UserError(f"{config_file}: no model of this kind ({one_line(error)})") from None
    weights = weights or folder / WEIGHTS_NAME
    state = read_weights(weights)
    if rename is not None:
        state = rename(state)
    check_state(state, model.state_dict(), str(weights))
    model.load_state_dict(state)
    return model


def save_model(model: ModelMixin, folder: Path) -> None:
    """Write a model of diffusers as its ``save_pretrained`` does, with a checksum.

    Raises:
        UserError: a weight is not finite, or there is no room for the file.
    """
    model.save_config(folder)
    write_weights(folder / WEIGHTS_NAME, model.state_dict())


def present_names(state: State) -> State:
    """Names of weights as of today; diffusers once named attention layers otherwise."""
    return {_present_name(name): tensor for name, tensor in state.items()}


def _present_name(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    module, _, layer = stem.rpartition(".")
    former = ".attentions." in name and layer in FORMER_ATTENTION
    return f"{module}.{FORMER_ATTENTION[layer]}.{kind}" if former else name


def write_index(
    folder: Path, pipeline: str, parts: Mapping[str, object], settings: Mapping[str, object] = {}
) -> None:
    """Write the index of a diffusers pipeline folder.

    Args:
        folder: of the pipeline.
        pipeline: its class.
        parts: folder → the object that was saved there, or None.
        settings: further entries.
    """
    from diffusers import __version__

    kinds = {
        name: [None, None] if part is None else [_library(part), type(part).__name__]
        for name, part in parts.items()
    }
    index = {"_class_name": pipeline, "_diffusers_version": __version__, **kinds, **settings}
    write_json(folder / INDEX, dict(sorted(index.items())))


def read_index(folder: Path, remedy: str) -> dict:
    """The entries of a pipeline folder's index, and of DRAWING where there is one.

    Raises:
        UserError: there is no index; see `read_json` for ``remedy``.
    """
    index = read_json(folder / INDEX, remedy)
    return index | (read_json(folder / DRAWING, "") if (folder / DRAWING).exists() else {})


def _library(part: object) -> str:
    """As diffusers names it: a library, or the module of a class that stands in no library."""
    module = type(part).__module__
    top = module.partition(".")[0]
    return top if top in ("diffusers", "transformers") else module
