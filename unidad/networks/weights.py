"""Weights in a file: safetensors with a checksum, or what ``torch.save`` wrote.

Pickled code is never run.
"""

from __future__ import annotations

import json
import os
import re
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unidad.errors import UserError, one_line
from unidad.files import atomic_file

State = dict[str, Tensor]
CHECKSUM = "crc32"
"""The entry of a file's metadata with the checksum of its tensors and of the other entries."""


def write_weights(path: Path, state: State, **about: str) -> None:
    """Write tensors as safetensors with a checksum, whole or not at all.

    Args:
        path: of the file; missing parents are made.
        state: name → tensor, of any device and layout.
        about: further entries of the file's metadata.

    Raises:
        UserError: a tensor holds NaN or infinity, or there is no room for the file.
    """
    check_finite(state, path, "nothing was written; try a smaller learning_rate")
    state, about = _on_host(state), {"format": "pt", **about}
    checksum = {CHECKSUM: _checksum(state, about)}
    size = sum(tensor.nbytes for tensor in state.values())
    with atomic_file(path, size) as partial, _system_errors():
        save_file(state, partial, metadata=about | checksum)
        with open(partial, "r+b") as file:
            _sort_metadata(file)
            os.fsync(file.fileno())


def read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    """Tensors and metadata of a file.

    Raises:
        SafetensorError: not such a file.
        ValueError: its content does not have the checksum that it names.
    """
    with safe_open(path, "pt") as file:
        about = dict(file.metadata() or {})
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    others = {key: value for key, value in about.items() if key != CHECKSUM}
    if about.get(CHECKSUM, given := _checksum(state, others)) != given:
        raise ValueError("its content has changed since it was written")
    return state, about


def check_finite(state: State, where: Path | str, remedy: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        UserError: names the first tensor that holds such a value; see ``remedy``.
    """
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise UserError(f"{where}: '{name}' holds NaN or infinite values; {remedy}")


def read_weights(path: Path) -> State:
    """Read tensors from ``.safetensors`` or what ``torch.save`` wrote.

    Pickled code is never run.

    Raises:
        UserError: no such file; it is unreadable, damaged, or holds anything but a mapping of
            tensors; or a tensor holds NaN or infinity.
    """
    if not path.is_file():
        raise UserError(f"{path}: weights are missing; train or copy the model there first")
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _unpickle_tensors(path)
    check_finite(state, path, "train or copy the model anew")
    return state


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


def part_of_state(state: State, expected: State, prefix: str | None, where: str) -> State:
    """The weights of one network in a file that may hold several, each below a prefix of its own.

    Args:
        state: of the file.
        expected: name → tensor, of the network.
        prefix: what its names begin with in the file; None: the only prefix below which there is
            such a network, perhaps the empty one.
        where: what to call the file in messages.

    Raises:
        UserError: there is no such network, or there are several and none is named.
    """
    if prefix is None:
        probe = next(iter(expected))
        ends = [name.removesuffix(probe) for name in state if name.endswith(probe)]
        whole = [start for start in ends if all(start + name in state for name in expected)]
        if len(whole) > 1 and "" not in whole:
            raise UserError(
                f"{where}: networks below {' and '.join(map(repr, whole))}; "
                "name one as fake_score_prefix"
            )
        prefix = whole[0] if len(whole) == 1 else ""
    part = {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }
    check_state(part, expected, where)
    return part


def _read_safetensors(path: Path) -> State:
    try:
        return read_safetensors(path)[0]
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a readable safetensors file ({one_line(error)}); "
            "train or copy the model anew"
        ) from None


def _checksum(state: State, about: dict[str, str]) -> str:
    """CRC-32 of the tensors, each with its name, type and shape, and of what is said about them."""

    def of_tensor(name: str) -> list:
        tensor = state[name].contiguous()
        content = tensor.reshape(-1).view(torch.uint8).numpy()
        return [name, str(tensor.dtype), tensor.shape, zlib.crc32(content)]

    with ThreadPoolExecutor() as pool:  # zlib lets other threads run
        content = [about, *pool.map(of_tensor, sorted(state))]
    return f"{zlib.crc32(json.dumps(content, sort_keys=True).encode()):08x}"


def _sort_metadata(file: BinaryIO) -> None:
    """The metadata in one order: safetensors' own changes from call to call, and the bytes with it.

    A file begins with the length of its header in eight bytes, little-endian, and the header: JSON.
    """
    size = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(size))
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    file.seek(8)
    file.write(text.ljust(size))


@contextmanager
def _system_errors() -> Iterator[None]:
    """What the system told safetensors, as the error that it is."""
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from None


def _on_host(state: State) -> State:
    """Contiguous, on the host, and no two in the same memory, which safetensors refuses.

    Tied weights share theirs, and so do the tables of 8-bit AdamW's number format.
    """
    host, places = {}, set()
    for name, tensor in state.items():
        tensor = tensor.detach().contiguous().cpu()
        host[name] = tensor.clone() if tensor.data_ptr() in places else tensor
        places.add(tensor.data_ptr())
    return host


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
