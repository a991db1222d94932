"""Which networks fidelity is measured with: the embedded ones, or those of a paper."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from unidad.errors import UserError
from unidad.features.extractors import load_extractor, save_published
from unidad.files import atomic_folder
from unidad.shipped import SHIPPED_CLIP, SHIPPED_SCENE_NETWORK


@dataclass(frozen=True)
class SubjectProtocol:
    """How fidelity is measured.

    Attributes:
        clip: folder of CLIP, or its name on the Hugging Face hub.
        encoder: of the instance encoder, likewise.
        clamp: count negative cosines as 0.
    """

    clip: Path | str
    encoder: Path | str
    clamp: bool = False


PROTOCOLS = {
    "synthetic": SubjectProtocol(SHIPPED_CLIP, SHIPPED_SCENE_NETWORK),
    "unidad": SubjectProtocol("openai/clip-vit-base-patch32", "facebook/dino-vits16"),
    "echodistill": SubjectProtocol(
        "openai/clip-vit-large-patch14-336", "facebook/dinov2-large", clamp=True
    ),
}


def find_protocol(name: str) -> SubjectProtocol:
    """A protocol by its name.

    Raises:
        UserError: there is none of this name.
    """
    if name not in PROTOCOLS:
        raise UserError(f"protocol {name!r} is unknown; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def place_networks(protocol: SubjectProtocol, clip: Path, encoder: Path) -> None:
    """Put a protocol's networks in place: copies of shipped ones, notes of published ones.

    Weights of published ones are looked for when first needed.

    Args:
        protocol: see `find_protocol`.
        clip: folder to write, for `load_extractor`.
        encoder: likewise.

    Raises:
        UserError: a shipped network is unfit.
    """
    for origin, folder in ((protocol.clip, clip), (protocol.encoder, encoder)):
        with atomic_folder(folder) as partial:
            if isinstance(origin, Path):
                load_extractor(origin)
                shutil.copytree(origin, partial, dirs_exist_ok=True)
            else:
                save_published(origin, partial)
