"""Which networks fidelity is measured with: the embedded ones, or those of a paper."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unidad.errors import UserError
from unidad.features.extractors import PUBLISHED
from unidad.features.scene_network import load_scene_network
from unidad.features.subject import Encoder
from unidad.features.trunk import CONFIG
from unidad.files import atomic_folder, read_json, write_json
from unidad.shipped import SHIPPED_CLIP, SHIPPED_SCENE_NETWORK

if TYPE_CHECKING:
    from unidad.features.clip import Clip


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

    A note is a ``config.json`` with the model's name; its weights are looked for when first needed.

    Args:
        protocol: see `find_protocol`.
        clip: folder to write, for `find_clip`.
        encoder: folder to write, for `find_encoder`.

    Raises:
        UserError: a shipped network is unfit.
    """
    for find, origin, folder in (
        (find_clip, protocol.clip, clip),
        (find_encoder, protocol.encoder, encoder),
    ):
        with atomic_folder(folder) as partial:
            if isinstance(origin, Path):
                find(origin)
                shutil.copytree(origin, partial, dirs_exist_ok=True)
            else:
                write_json(partial / CONFIG, {PUBLISHED: origin})


def find_clip(origin: Path | str) -> Clip:
    """The CLIP of a folder, its own or the one it notes, or a published one by its name.

    Raises:
        UserError: see `load_clip` and `published_folder`.
    """
    # Here, not above, as in `find_encoder`: most rows need neither, and the libraries are slow.
    from unidad.features.clip import load_clip
    from unidad.features.pretrained import published_folder

    name = _published_name(origin)
    return load_clip(origin if name is None else published_folder(name))


def find_encoder(origin: Path | str) -> Encoder:
    """The instance encoder of a folder (`SceneNetwork`, or the one it notes), or a published one.

    Raises:
        UserError: see `load_scene_network` and `published_folder`.
    """
    name = _published_name(origin)
    if name is None:
        return load_scene_network(origin)
    from unidad.features.vision import PublishedEncoder

    return PublishedEncoder(name)


def _published_name(origin: Path | str) -> str | None:
    if isinstance(origin, str):
        return origin
    return read_json(origin / CONFIG, "`unidad measuring-networks` makes such a folder").get(
        PUBLISHED
    )
