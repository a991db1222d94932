"""Model folders: source teachers imported and put in place, and a trained student exported."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from unidad.config.evaluation import PublishedFeatures
from unidad.config.run import SOURCE_STUDENT, SOURCE_TEACHER
from unidad.features.extractors import save_published
from unidad.features.feature_network import load_feature_network
from unidad.files import atomic_folder, read_json, sha256
from unidad.networks.adm import HEAD_CHANNELS, RESOLUTION, load_adm
from unidad.networks.registry import load_backbone, model_weights
from unidad.networks.text_to_image import copy_text_to_image
from unidad.networks.text_to_image_folder import (
    is_text_to_image,
    load_codec,
    load_text_encoder,
)
from unidad.provenance import commit
from unidad.sampling import ImageModel, load_image_model
from unidad.shipped import (
    SHIPPED_FEATURE_NETWORK,
    SHIPPED_SCENE_SOURCE,
    SHIPPED_SCENE_STUDENT,
    SHIPPED_SOURCE_TEACHER,
)

CHECKPOINT_ENDINGS = (".pt", ".pth", ".safetensors")
"""Of a guided-diffusion checkpoint, which is one file; other models are folders."""
SHIPPED_TEXT_TO_IMAGE = {
    SOURCE_TEACHER: SHIPPED_SCENE_SOURCE,
    SOURCE_STUDENT: SHIPPED_SCENE_STUDENT,
}
PIPELINE_PARTS = ("model_index.json", "unet", "vae", "text_encoder", "tokenizer", "scheduler")

DRAWING = """```python
from unidad.pipeline import UnidadPipeline

images = UnidadPipeline.from_pretrained("NAME")(batch_size=16, seed=0).images
```

The sampler and its noise levels are stored in `model_index.json`.
"""
DRAWING_PROMPTS = """```python
from diffusers import StableDiffusionPipeline

pipeline = StableDiffusionPipeline.from_pretrained("NAME")
image = pipeline("a red cat", num_inference_steps={nfe}, guidance_scale={guidance_scale}).images[0]
```

The noise levels are stored in `scheduler/`.
"""


def place_source_teacher(
    origin: str, out: Path, resolution: int = RESOLUTION, command: str = ""
) -> None:
    """Check a source teacher and write it as an exported, float32, many-step model.

    Args:
        origin: ``shipped``; a folder as `load_backbone` takes it: of an exported model, of a
            diffusers ``DDPMPipeline``, or of `import_adm`; or a checkpoint, as `import_adm` takes
            it with its defaults.
        out: model folder.
        resolution: of a checkpoint's images, in pixels.
        command: what was typed, for the card of an imported checkpoint.

    Raises:
        UserError: the folder or its weights are missing or of another architecture.
    """
    if origin.endswith(CHECKPOINT_ENDINGS):
        import_adm(Path(origin), out, resolution=resolution, command=command)
        return
    load_backbone(SHIPPED_SOURCE_TEACHER if origin == "shipped" else origin).save(out)


def place_text_to_image(role: str, origin: str, out: Path) -> None:
    """Check a text-to-image model and put it in place; its large files become hard links.

    Args:
        role: source_teacher or source_student.
        origin: ``shipped``, or the folder of a ``StableDiffusionPipeline``.
        out: model folder.

    Raises:
        UserError: the folder or one of its parts is missing or of another architecture.
    """
    folder = SHIPPED_TEXT_TO_IMAGE[role] if origin == "shipped" else Path(origin)
    load_backbone(folder, codec=load_codec(folder))
    load_text_encoder(folder)
    with atomic_folder(out) as partial:
        for name in PIPELINE_PARTS:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, partial / name, copy_function=_link_or_copy)
            else:
                shutil.copyfile(folder / name, partial / name)


def _link_or_copy(source: str, target: str) -> None:
    """Gigabytes are not written twice where the file system can help it."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copyfile(source, target)


def import_adm(
    checkpoint: Path,
    out: Path,
    head_channels: int = HEAD_CHANNELS,
    resolution: int = RESOLUTION,
    new_attention_order: bool = False,
    drop_variance: bool = False,
    dtype: str = "float32",
    command: str = "",
) -> None:
    """Write a guided-diffusion checkpoint as a many-step model, with a card of where it is from.

    Args:
        checkpoint: to `drop_variance`: as for `load_adm`.
        out: model folder.
        head_channels: width of an attention head.
        resolution: of the images in pixels.
        new_attention_order: of the qkv convolutions.
        drop_variance: keep the channels of the noise prediction alone.
        dtype: of the weights: ``float32``, or ``bfloat16`` (half the size).
        command: what was typed, for the card.

    Raises:
        UserError: the checkpoint cannot be read as such a model.
    """
    network = load_adm(checkpoint, head_channels, resolution, new_attention_order, drop_variance)
    facts = {
        "imported from": f"{checkpoint.name}, a guided-diffusion checkpoint",
        f"sha256 of {checkpoint.name}": f"`{sha256(checkpoint)}`",
        **network.facts([dtype]),
        "order of qkv": "new" if new_attention_order else "legacy",
        "commit": commit(),
    }
    _export(_saving(ImageModel(network), dtype), out, facts, command)


def place_feature_network(
    origin: str, out: Path, published: PublishedFeatures | None = None
) -> None:
    """Check a feature network and copy it, or note which published networks are meant.

    Args:
        origin: ``shipped``, ``published``, or a folder that `unidad train-features` wrote.
        out: folder to write.
        published: which, for that origin; their weights are looked for when first needed.

    Raises:
        UserError: a file is missing, unreadable or of another architecture.
    """
    if origin == "published":
        with atomic_folder(out) as partial:
            save_published(published or PublishedFeatures(), partial)
        return
    folder = SHIPPED_FEATURE_NETWORK if origin == "shipped" else Path(origin)
    network = load_feature_network(folder)
    with atomic_folder(out) as partial:
        network.save(partial)


def export_run(run: Path, out: Path, dtype: str = "float32", command: str = "") -> None:
    """Copy a run's model, with a card that says what it is and how to draw with it.

    Args:
        run: a run's folder, with ``model/`` and ``training.json``.
        out: folder to write.
        dtype: ``float32`` (draws the evaluation's very images) or ``bfloat16`` (half the size).
        command: what was typed, for the card.

    Raises:
        UserError: the run has no finished model.
    """
    summary = read_json(run / "training.json", "no finished run is here; train it to its end")
    if is_text_to_image(run / "model"):
        save = functools.partial(copy_text_to_image, run / "model", dtype=getattr(torch, dtype))
        drawing = DRAWING_PROMPTS.format(
            nfe=summary["nfe"], guidance_scale=summary["guidance_scale"]
        )
    else:
        save, drawing = _saving(load_image_model(run / "model"), dtype), DRAWING
    _export(save, out, _facts_of_run(summary, dtype), command, drawing)


def _facts_of_run(summary: dict, dtype: str) -> dict[str, object]:
    return {
        "method": summary.get("method"),
        "trained on": f"{summary.get('target')}, shots {summary.get('shots') or 'all'}",
        "seed": summary.get("seed"),
        "student updates": f"{summary['updates']['student']:,}",
        "training images seen": f"{summary.get('images_seen', 0):,}",
        "training time": f"{summary['seconds'] / 60:.0f} minutes",
        "parameters": f"{summary['parameters']:,}, stored as {dtype}",
        "network evaluations an image": summary.get("nfe"),
        "commit": summary.get("commit"),
    }


def _export(
    save: Callable[[Path], None],
    out: Path,
    facts: dict[str, object],
    command: str,
    drawing: str = DRAWING,
) -> None:
    """Write a model folder and its card."""
    with atomic_folder(out) as partial:
        save(partial)
        card = _card(out.resolve().name, facts, model_weights(partial), command, drawing)
        (partial / "README.md").write_text(card)


def _saving(model: ImageModel, dtype: str) -> Callable[[Path], None]:
    if dtype == "bfloat16":
        model.network.model.bfloat16()
    return model.save


def _card(name: str, facts: dict[str, object], weights: Path, command: str, drawing: str) -> str:
    facts = facts | {
        "exported by": f"`{command}`",
        f"sha256 of {weights.name}": f"`{sha256(weights)}`",
    }
    rows = "\n".join(f"- {key}: {value}" for key, value in facts.items())
    return f"# {name}\n\n{rows}\n\n{drawing.replace('NAME', name)}"
