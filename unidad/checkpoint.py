"""Checkpoints: atomic, complete, safetensors.

Everything that a run needs to go on is in one file: network weights, the student's moving average,
optimiser states, and counters in the file's metadata. Random draws need no state: they are keyed
by (seed, iteration).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unidad.errors import UserError
from unidad.files import atomic_file

PREFIX = "iteration-"


def save_checkpoint(
    folder: Path,
    counters: dict,
    modules: dict[str, nn.Module],
    optimisers: dict[str, torch.optim.Optimizer],
) -> Path:
    """Write ``iteration-<n>.safetensors``; older checkpoints go once it is complete.

    Args:
        folder: made if missing.
        counters: JSON-able; ``iteration`` names the file.
        modules: name → module, parameters and persistent buffers are stored.
        optimisers: name → optimiser whose state holds tensors alone (AdamW).
    """
    path = folder / f"{PREFIX}{counters['iteration']:08d}.safetensors"
    tensors = {
        f"module/{m}/{n}": t
        for m, module in modules.items()
        for n, t in module.state_dict().items()
    }
    for name, optimiser in optimisers.items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{name}/{index}/{key}": t for key, t in state.items()}
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    with atomic_file(path) as partial:
        save_file(tensors, partial, metadata={"counters": json.dumps(counters)})
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
    for older in checkpoints(folder)[:-1]:
        older.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    return sorted(folder.glob(f"{PREFIX}*.safetensors"))


def load_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimisers: dict[str, torch.optim.Optimizer]
) -> dict:
    """Restore modules and optimisers in place; returns the counters.

    Raises:
        UserError: the file is unreadable or belongs to another architecture.
    """
    try:
        with safe_open(path, "pt") as file:
            counters = json.loads(file.metadata()["counters"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: not a readable checkpoint ({error}); delete it") from None
    for name, module in modules.items():
        state = _part(tensors, f"module/{name}/")
        check_state(state, module.state_dict(), str(path))
        module.load_state_dict(state)
    for name, optimiser in optimisers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _part(tensors, f"optimiser/{name}/").items():
            index, entry = key.split("/")
            state.setdefault(int(index), {})[entry] = tensor
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": state, "param_groups": groups})
        _match_memory_format(optimiser)
    return counters


def _match_memory_format(optimiser: torch.optim.Optimizer) -> None:
    """Lay moments out in memory as their weights are: fused AdamW walks both as flat arrays."""
    for parameter, state in optimiser.state.items():
        for key, tensor in state.items():
            if tensor.shape == parameter.shape:
                state[key] = torch.empty_like(parameter).copy_(tensor)


def check_state(state: dict[str, Tensor], expected: dict[str, Tensor], where: str) -> None:
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


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
