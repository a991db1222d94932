"""Checkpoints: atomic, complete, safetensors with a checksum.

Everything that a run needs to go on is in one file: the weights that are trained, the student's
moving average, optimiser states, and counters and the log in the file's metadata. Random draws
need no state: they are keyed by (seed, iteration).
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from unidad.errors import UserError, one_line
from unidad.networks.weights import (
    CHECKSUM,
    check_finite,
    check_state,
    read_safetensors,
    write_weights,
)

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

    Raises:
        UserError: a tensor holds NaN or infinity, or there is no room for the file; the older
            checkpoint stays.
    """
    path = folder / f"{PREFIX}{counters['iteration']:08d}.safetensors"
    tensors = {
        f"module/{m}/{n}": t
        for m, module in modules.items()
        for n, t in trained_state(module).items()
    }
    for name, optimiser in optimisers.items():
        tensors |= {f"optimiser/{name}/{key}": value for key, value in _state(optimiser).items()}
    write_weights(path, tensors, counters=json.dumps(counters))
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
        UserError: the file is unreadable or damaged, or belongs to another architecture; or a
            tensor holds NaN or infinity.
    """
    remedy = "delete it, and the run starts anew"
    try:
        tensors, about = read_safetensors(path)
        if missing := {"counters", CHECKSUM} - set(about):
            raise ValueError(f"it has no {min(missing)}")
        counters = json.loads(about["counters"])
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a readable checkpoint ({one_line(error)}); {remedy}"
        ) from None
    check_finite(tensors, path, remedy)
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


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
