"""Weights in a file: safetensors, or what ``torch.save`` wrote; pickled code is never run."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from unidad.errors import UserError

State = dict[str, Tensor]


def read_weights(path: Path) -> State:
    """Read tensors from ``.safetensors`` or what ``torch.save`` wrote.

    Pickled code is never run.

    Raises:
        UserError: no such file, or it is unreadable or holds anything but a mapping of tensors.
    """
    if not path.is_file():
        raise UserError(f"{path}: weights are missing; train or copy the model there first")
    if path.suffix != ".safetensors":
        return _unpickle_tensors(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error})") from None


def check_state(state: State, expected: State, where: str) -> None:
    """Compare names and shapes of weights with what an architecture expects.

    Raises:
        UserError: names the first missing, misshapen or unexpected key, and counts the others.
    """
    unfit = []
    for name, tensor in expected.items():
        if name not in state:
            unfit.append(f"no '{name}' in the file")
        elif state[name].shape != tensor.shape:
            unfit.append(
                f"'{name}' is {tuple(state[name].shape)} in the file, "
                f"{tuple(tensor.shape)} in the model"
            )
    unfit += [f"'{name}' is not in the model" for name in sorted(set(state) - set(expected))]
    if unfit:
        others = f" (and {len(unfit) - 1} more)" if len(unfit) > 1 else ""
        raise UserError(f"{where}: weights of another architecture: {unfit[0]}{others}")


def _unpickle_tensors(path: Path) -> State:
    try:
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # foreign bytes make torch.load raise whatever they please
        raise UserError(f"{path}: {_why_unreadable(error)}") from None
    entries = state.items() if isinstance(state, dict) else [(type(state).__name__, state)]
    for name, value in entries:
        if not isinstance(value, Tensor) or not isinstance(name, str):
            raise UserError(
                f"{path}: not a bare state dict: '{name}' is no named tensor; "
                "save the network's state_dict() alone"
            )
    return state


def _why_unreadable(error: Exception) -> str:
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        return (
            f"holds a pickled '{refused[1]}', which is never loaded; "
            "save the network's state_dict() alone"
        )
    return "not a readable file of torch.save, or cut short; download or save it again"
