"""Checkpoints of guided-diffusion (ADM) as model folders."""

from __future__ import annotations

from pathlib import Path

from unidad.files import sha256
from unidad.models.card import saving, write_model
from unidad.models.recipes import AdmImport
from unidad.networks.adm import load_adm
from unidad.provenance import commit
from unidad.sampling import ImageModel


def import_adm(checkpoint: Path, out: Path, settings: AdmImport, command: str = "") -> None:
    """Write a guided-diffusion checkpoint as a many-step model, with a card of where it is from.

    Args:
        checkpoint: as for `load_adm`.
        out: model folder.
        settings: of the checkpoint, and the type of the weights.
        command: what was typed, for the card.

    Raises:
        UserError: the checkpoint cannot be read as such a model.
    """
    network = load_adm(checkpoint, **settings.model_dump(exclude={"dtype"}))
    facts = {
        "imported from": f"{checkpoint.name}, a guided-diffusion checkpoint",
        f"sha256 of {checkpoint.name}": f"`{sha256(checkpoint)}`",
        **network.facts([settings.dtype]),
        "order of qkv": "new" if settings.new_attention_order else "legacy",
        "commit": commit(),
    }
    save = saving(ImageModel(network), settings.dtype)
    write_model(save, out, facts, command, network.HOW_TO_DRAW)
