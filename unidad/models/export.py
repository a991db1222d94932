"""A trained student, exported for use elsewhere."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import torch
from diffusers import EulerDiscreteScheduler

from unidad.data.contact_sheet import contact_sheet
from unidad.files import read_json, seal, write_json
from unidad.models.card import saving, write_model
from unidad.models.licence import licences_of_bases
from unidad.models.measured import measured
from unidad.networks.registry import load_backbone
from unidad.networks.text_to_image import TextToImageUNet
from unidad.networks.text_to_image_folder import (
    LAYOUT,
    assemble,
    is_text_to_image,
    load_codec,
    load_text_encoder,
    save_pipeline,
)
from unidad.sampling import load_image_model, sample

ADAPTERS = "adapter"
"""Folder of a run, and of its export, with the adapters alone, unmerged."""
SAMPLES = 16
"""Images on the card of a model that draws from noise alone."""


def export_run(run: Path, out: Path, dtype: str = "float32", command: str = "") -> None:
    """Copy a run's model, with a card that says what it is and how to draw with it.

    Args:
        run: a run's folder, with ``model/`` and ``training.json``.
        out: folder to write.
        dtype: ``float32`` (draws the evaluation's very images) or ``bfloat16`` (half the size).
        command: what was typed, for the card.

    Raises:
        UserError: the run has no finished model, or an unreadable one.
    """
    summary = read_json(run / "training.json", "no finished run is here; train it to its end")
    if is_text_to_image(run / "model"):
        save = functools.partial(_copy_text_to_image, run / "model", dtype=getattr(torch, dtype))
        samples = None
        drawing = TextToImageUNet.HOW_TO_DRAW.format(
            nfe=summary["nfe"], guidance_scale=summary["guidance_scale"]
        )
    else:
        model = load_image_model(run / "model")
        drawn = sample(model, SAMPLES, 0, progress=False)[0].images
        samples = contact_sheet({"samples, seed 0": drawn})
        save, drawing = saving(model, dtype), model.network.HOW_TO_DRAW
    facts = _facts_of_run(summary, dtype, licences_of_bases(run))
    numbers = measured(run, summary)
    write_model(save, out, facts, command, drawing, samples, numbers)


def _facts_of_run(summary: dict, dtype: str, bases: dict[str, str] | None) -> dict[str, object]:
    hashes = summary.get("training_images") or []
    few = {f"sha256 of training image {i}'s pixels": f"`{h}`" for i, h in enumerate(hashes)}
    return {
        "method": summary.get("method"),
        "trained on": f"{summary.get('target')}, shots {summary.get('shots') or 'all'}",
        "seed": summary.get("seed"),
        "student updates": f"{summary['updates']['student']:,}",
        "training images seen": f"{summary.get('images_seen', 0):,}",
        "batch size": summary.get("batch_size"),
        "learning rate": summary.get("learning_rate"),
        "training time": f"{summary['seconds'] / 60:.0f} minutes",
        "parameters": f"{summary['parameters']:,}, stored as {dtype}",
        "network evaluations an image": summary.get("nfe"),
        "licence": _licence(bases),
        "commit": summary.get("commit"),
        **few,
    }


def _licence(bases: dict[str, str] | None) -> str:
    """Of a model that was trained from others, and on somebody's images."""
    if bases is None:
        return "that of the model which it was trained from (unknown), and of the training images"
    if not bases:
        return "that of the training images"
    told = "; ".join(f"that of {name} ({licence})" for name, licence in bases.items())
    return f"{told}; and that of the training images"


def _copy_text_to_image(folder: Path, out: Path, dtype: torch.dtype) -> None:
    """Copy a pipeline folder into ``out``, its weights as ``dtype``; they are loaded as float32."""
    network = load_backbone(folder, codec=load_codec(folder))
    text = load_text_encoder(folder)
    scheduler = EulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
    for model in (network.unet, network.codec.vae, text.model):
        model.to(dtype)
    save_pipeline(assemble(network, text, scheduler), out)
    if (folder.parent / ADAPTERS).is_dir():
        shutil.copytree(folder.parent / ADAPTERS, out / ADAPTERS)
    config = out / "text_encoder" / "config.json"  # where transformers, unlike diffusers, looks
    write_json(config, read_json(config, LAYOUT) | {"dtype": "float32"})
    seal(out)
