"""Checkpoints: atomic, complete, safetensors; and atomic folders.

Everything that a run needs to go on is in one file: network weights, the student's moving average,
optimiser states, and counters in the file's metadata. Random draws need no state: they are keyed
by (seed, iteration).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unidad.errors import UserError

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
    folder.mkdir(parents=True, exist_ok=True)
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
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"counters": json.dumps(counters)})
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)
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


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a scratch folder that takes the name ``path`` when the block ends without an error.

    An error leaves no scratch folder, and what was at ``path`` as it was.

    Raises:
        UserError: a file has that name, or a folder that holds anything the new one does not.
    """
    path = path.resolve()
    partial, former = (path.with_name(path.name + ending) for ending in (".partial", ".former"))
    for leftover in (partial, former):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.exists():
            _refuse_to_lose(path, partial)
            os.replace(path, former)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)


def _refuse_to_lose(path: Path, successor: Path) -> None:
    """Hidden files do not count: every system leaves some behind."""
    if not path.is_dir():
        raise UserError(f"{path}: a file has this name; choose another one for the folder")
    for entry in sorted(path.iterdir()):
        hidden = entry.name.startswith(".") and not entry.is_dir()
        if not hidden and not (successor / entry.name).exists():
            raise UserError(
                f"{path}: would be replaced, but holds '{entry.name}', which is not written anew; "
                "choose another folder"
            )


def read_json(path: Path, remedy: str) -> dict:
    """Read a JSON mapping.

    Args:
        path: of the file.
        remedy: how to mend its absence, the end of the message.

    Raises:
        UserError: no such file, or not a JSON mapping.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {remedy}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a mapping of keys, found {type(value).__name__}")
    return value


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2) + "\n")
    os.replace(partial, path)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
