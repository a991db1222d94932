"""Model folders: source teachers imported and put in place, and a trained student exported."""

from __future__ import annotations

import hashlib
from pathlib import Path

from unidad.files import atomic_folder, read_json
from unidad.metrics.feature_network import load_feature_network
from unidad.metrics.published import PublishedConfig
from unidad.networks.adm import HEAD_CHANNELS, RESOLUTION, load_adm
from unidad.networks.describe import describe
from unidad.networks.folder import WEIGHTS_NAME, load_network
from unidad.pipeline import UnidadPipeline
from unidad.provenance import commit
from unidad.sampling import load_pipeline

WEIGHTS = Path(__file__).parent / "weights"
SHIPPED_SOURCE_TEACHER = WEIGHTS / "synthetic-faces-source"
SHIPPED_FEATURE_NETWORK = WEIGHTS / "synthetic-faces-features"
SHIPPED_SCENE_NETWORK = WEIGHTS / "synthetic-scenes-features"


def place_source_teacher(origin: str, out: Path) -> None:
    """Check a source teacher and write it as an exported, float32, many-step model.

    Args:
        origin: ``shipped`` or a folder as `load_network` takes it: of an exported model, of a
            diffusers ``DDPMPipeline``, or of `import_adm`.
        out: model folder.

    Raises:
        UserError: the folder or its weights are missing or of another architecture.
    """
    network = load_network(SHIPPED_SOURCE_TEACHER if origin == "shipped" else origin)
    with atomic_folder(out) as partial:
        UnidadPipeline(network.unet, network.scheduler).save_pretrained(partial)


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
    unet, scheduler = load_adm(
        checkpoint, head_channels, resolution, new_attention_order, drop_variance
    )
    if dtype == "bfloat16":
        unet.bfloat16()
    pipeline = UnidadPipeline(unet, scheduler)
    with atomic_folder(out) as partial:
        pipeline.save_pretrained(partial)
        facts = {
            "imported from": f"{checkpoint.name}, a guided-diffusion checkpoint",
            f"sha256 of {checkpoint.name}": f"`{_sha256(checkpoint)}`",
            **describe(unet, scheduler, [dtype]),
            "order of qkv": "new" if new_attention_order else "legacy",
            "commit": commit(),
        }
        weights = partial / "unet" / WEIGHTS_NAME
        (partial / "README.md").write_text(_card(out.resolve().name, facts, weights, command))


def place_feature_network(origin: str, out: Path, published: PublishedConfig | None = None) -> None:
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
            (published or PublishedConfig()).save(partial)
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
    pipeline = load_pipeline(run / "model")
    if dtype == "bfloat16":
        pipeline.unet.bfloat16()
    with atomic_folder(out) as partial:
        pipeline.save_pretrained(partial)
        weights = partial / "unet" / WEIGHTS_NAME
        facts = _facts_of_run(dict(pipeline.config), summary, dtype)
        (partial / "README.md").write_text(_card(out.resolve().name, facts, weights, command))


def _facts_of_run(config: dict, summary: dict, dtype: str) -> dict[str, object]:
    return {
        "method": summary.get("method"),
        "trained on": f"{summary.get('target')}, shots {summary.get('shots') or 'all'}",
        "seed": summary.get("seed"),
        "student updates": f"{summary['updates']['student']:,}",
        "training images seen": f"{summary.get('images_seen', 0):,}",
        "training time": f"{summary['seconds'] / 60:.0f} minutes",
        "parameters": f"{summary['parameters']:,}, stored as {dtype}",
        "network evaluations an image": config["nfe"],
        "commit": summary.get("commit"),
    }


def _card(name: str, facts: dict[str, object], weights: Path, command: str) -> str:
    facts = facts | {
        "exported by": f"`{command}`",
        f"sha256 of {weights.name}": f"`{_sha256(weights)}`",
    }
    rows = "\n".join(f"- {key}: {value}" for key, value in facts.items())
    return f"""# {name}

{rows}

```python
from unidad.pipeline import UnidadPipeline

images = UnidadPipeline.from_pretrained("{name}")(batch_size=16, seed=0).images
```

The sampler and its noise levels are stored in `model_index.json`.
"""


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
