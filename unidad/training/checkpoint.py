"""Checkpoints: atomic, complete, safetensors.

Everything that a run needs to go on is in one file: the weights that are trained, the student's
moving average, optimiser states, and counters in the file's metadata. Random draws need no state:
they are keyed by (seed, iteration).
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
from unidad.networks.weights import check_state

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
        modules: name → module, of which `trained_state` is stored.
        optimisers: name → optimiser whose state holds tensors and whole numbers (AdamW).
    """
    path = folder / f"{PREFIX}{counters['iteration']:08d}.safetensors"
    tensors = {
        f"module/{m}/{n}": t
        for m, module in modules.items()
        for n, t in trained_state(module).items()
    }
    for name, optimiser in optimisers.items():
        tensors |= {f"optimiser/{name}/{key}": value for key, value in _state(optimiser).items()}
    with atomic_file(path) as partial:
        save_file(_on_host(tensors), partial, metadata={"counters": json.dumps(counters)})
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
    for older in checkpoints(folder)[:-1]:
        older.unlink()
    return path


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """What training changes: parameters that require a gradient, and persistent buffers."""
    parameters = module.named_parameters(remove_duplicate=False)
    frozen = {name for name, parameter in parameters if not parameter.requires_grad}
    return {name: t for name, t in module.state_dict().items() if name not in frozen}


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
        check_state(state, trained_state(module), str(path))
        module.load_state_dict(state, strict=False)
    for name, optimiser in optimisers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _part(tensors, f"optimiser/{name}/").items():
            index, entry = key.split("/")
            number = tensor.dtype == torch.int64 and not tensor.ndim
            state.setdefault(int(index), {})[entry] = tensor.item() if number else tensor
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": state, "param_groups": groups})
        _match_memory_format(optimiser)
    return counters


def _match_memory_format(optimiser: torch.optim.Optimizer) -> None:
    """Lay moments out in memory as their weights are: fused AdamW walks both as flat arrays."""
    for parameter, state in optimiser.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _state(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """``index/entry`` → value, with the parameters numbered as in its state dict.

    Not that dict itself: in 8-bit AdamW's, entries are nested.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    return {
        f"{index}/{entry}": torch.as_tensor(value)
        for index, parameter in enumerate(parameters)
        if parameter in optimiser.state
        for entry, value in optimiser.state[parameter].items()
    }


def _on_host(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous, on the host, and no two in the same memory, which safetensors refuses.

    The parameters of 8-bit AdamW share the tables of its number format.
    """
    host, places = {}, set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().contiguous().cpu()
        host[name] = tensor.clone() if tensor.data_ptr() in places else tensor
        places.add(tensor.data_ptr())
    return host


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
