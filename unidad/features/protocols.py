"""Which networks fidelity is measured with: the embedded ones, or those of a paper."""

from __future__ import annotations

from dataclasses import dataclass

from unidad.errors import UserError
from unidad.shipped import SHIPPED_CLIP, SHIPPED_SCENE_NETWORK, shipped_origin


@dataclass(frozen=True)
class SubjectProtocol:
    """How fidelity is measured.

    Attributes:
        clip: where CLIP comes from, as `unidad place` reads it.
        encoder: where the instance encoder comes from, likewise.
        clamp: count negative cosines as 0.
    """

    clip: str
    encoder: str
    clamp: bool = False


PROTOCOLS = {
    "synthetic": SubjectProtocol(
        shipped_origin(SHIPPED_CLIP), shipped_origin(SHIPPED_SCENE_NETWORK)
    ),
    "unidad": SubjectProtocol(
        "published:openai/clip-vit-base-patch32", "published:facebook/dino-vits16"
    ),
    "echodistill": SubjectProtocol(
        "published:openai/clip-vit-large-patch14-336", "published:facebook/dinov2-large", clamp=True
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
