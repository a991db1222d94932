"""Weights that the authors of a metric publish: found or downloaded, verified, never unpickled."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from torch import Tensor

from unidad.errors import UserError, one_line
from unidad.files import sha256
from unidad.networks.weights import read_weights

FOLDER = "UNIDAD_WEIGHTS"
"""Environment variable: a folder with the files, for machines without a network."""
HUB_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
HUB_SETTINGS = ("*.json", "merges.txt")


def published_weights(url: str) -> dict[str, Tensor]:
    """Weights, on the CPU, of a file whose name ends in the first digits of its SHA-256.

    The file is looked for in the folder that UNIDAD_WEIGHTS names; where that is not set, in
    torch.hub's cache, into which it is downloaded once.

    Args:
        url: where its authors publish it: ".../alexnet-owt-7be5be79.pth".

    Raises:
        UserError: the file is absent and cannot be downloaded, or its SHA-256 is another.
    """
    path = weights_file(url)
    digits = path.stem.rsplit("-", 1)[-1]
    if not path.is_file():
        if os.environ.get(FOLDER):
            raise UserError(f"{path}: no such file; download {url} into this folder")
        _download(url, path, digits)
    found = sha256(path)
    if not found.startswith(digits):
        raise UserError(
            f"{path}: its SHA-256 starts with {found[: len(digits)]}, not with {digits}; "
            f"delete it and download {url} again"
        )
    return read_weights(path)


def published_folder(name: str) -> Path:
    """Folder of a model that its authors publish on the Hugging Face hub.

    The folder is looked for, by the last part of its name, in the one that UNIDAD_WEIGHTS names;
    where that is not set, in the hub's cache, into which the model is downloaded once.

    Args:
        name: "facebook/dino-vits16".

    Raises:
        UserError: the model is absent and cannot be downloaded.
    """
    short = name.rsplit("/", 1)[-1]
    folder = os.environ.get(FOLDER)
    if folder:
        if (Path(folder) / short / "config.json").is_file():
            return Path(folder) / short
        raise UserError(
            f"{Path(folder) / short}: no such model; `hf download {name} --local-dir "
            f"{Path(folder) / short}` puts it there"
        )
    try:
        for weights in HUB_WEIGHTS:
            found = Path(snapshot_download(name, allow_patterns=[*HUB_SETTINGS, weights]))
            if (found / weights).is_file():
                return found
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason = one_line(error)[:200]
    else:
        reason = f"it has none of {', '.join(HUB_WEIGHTS)}"
    raise UserError(
        f"{name}: its weights are neither cached nor to be downloaded ({reason}); elsewhere run "
        f"`hf download {name} --local-dir {short}`, and name the folder above it in the "
        f"environment variable {FOLDER}"
    )


def weights_file(url: str) -> Path:
    """Where `published_weights` looks for the file of an address."""
    folder = os.environ.get(FOLDER)
    cache = Path(folder) if folder else Path(torch.hub.get_dir()) / "checkpoints"
    return cache / url.rsplit("/", 1)[-1]


def _download(url: str, path: Path, digits: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), digits)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{path.name}: could not be downloaded ({error}); fetch {url} elsewhere, put it into "
            f"a folder, and name that folder in the environment variable {FOLDER}"
        ) from None
