"""Low-rank adapters (Hu et al. 2022) on a backbone's model, with ``peft``."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import nn

from unidad.networks.weights import write_weights

Layers = Literal["attention", "keys_and_values", "all"]
Model = TypeVar("Model", bound=nn.Module)

ADAPTER = ".lora_"
"""Part of the names of an adapter's weights."""
ADAPTER_FILE = "pytorch_lora_weights.safetensors"
"""Where `load_lora_weights` of diffusers looks for adapters."""
PEFT, PEFT_FILE = "peft", "adapter_model.safetensors"
"""Folder beside it, and where peft looks for weights in it."""


def add_lora(model: nn.Module, rank: int, names: Sequence[str] | None = None) -> list[nn.Parameter]:
    """Add adapters in place and freeze all else; the output stays as it was until they learn.

    A layer's weight becomes ``W + B A``: A (rank, in) is random, from torch's global generator,
    B (out, rank) zero. The scale alpha / rank is 1.

    Args:
        model: of a backbone.
        rank: of the adapters.
        names: endings of the names of the layers that get one; None stands for all linear layers
            and convolutions.

    Returns:
        The trainable parameters: those of the adapters.
    """
    from peft import LoraConfig, inject_adapter_in_model

    if names is None:
        kinds = (nn.Linear, nn.Conv2d)
        names = [name for name, module in model.named_modules() if isinstance(module, kinds)]
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(names))
    inject_adapter_in_model(config, model)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def sharing_copy(network: Model, shared: Iterable[nn.Parameter]) -> Model:
    """A copy of a module whose parameters are copies too, but for those that are to be shared.

    Adapters leave the weights beneath them alone, so any number of networks can stand on the same
    ones: each is a tree of modules of its own, and nothing needs to be switched between them.
    """
    return copy.deepcopy(network, {id(parameter): parameter for parameter in shared})


def on_base(network: Model, base: Model) -> Model:
    """The network as a copy of ``base`` that shares its weights, if they are the same ones."""
    weights = dict(base.named_parameters())
    if all(torch.equal(p, weights[name]) for name, p in network.named_parameters()):
        return sharing_copy(base, base.parameters())
    return network


def merged_lora(model: Model) -> Model:
    """A copy with the adapters added into the weights: the ordinary model, to be exported.

    Raises:
        ValueError: an adapter holds a value that is not finite.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    merged = copy.deepcopy(model)
    for name, layer in list(merged.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge(safe_merge=True)
            merged.set_submodule(name, layer.get_base_layer())
    return merged


def save_adapters(model: nn.Module, folder: Path) -> None:
    """Write the adapters of a U-Net, unmerged, for other software.

    ``pytorch_lora_weights.safetensors`` has kohya's names, which diffusers and ComfyUI read: two
    matrices for each layer, ``lora_unet_<layer>.lora_down.weight`` and ``.lora_up.weight``, and
    ``.alpha``, the rank, for a scale of 1. ``peft/`` is a folder for `PeftModel.from_pretrained`.

    Args:
        model: with adapters (`add_lora`).
        folder: to write to.
    """
    from diffusers.utils import convert_state_dict_to_kohya

    adapters = {
        name.replace(".default.", "."): tensor.contiguous()
        for name, tensor in model.state_dict().items()
        if ADAPTER in name
    }
    kohya = convert_state_dict_to_kohya({f"unet.{name}": w for name, w in adapters.items()})
    write_weights(folder / ADAPTER_FILE, kohya)
    peft = {f"base_model.model.{name}": tensor for name, tensor in adapters.items()}
    write_weights(folder / PEFT / PEFT_FILE, peft)
    config = copy.copy(model.peft_config["default"])
    config.target_modules = sorted(config.target_modules)  # a set, which has no order to write
    config.inference_mode = True
    config.save_pretrained(folder / PEFT)
