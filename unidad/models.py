"""Model folders: the source teacher put in place, and a trained student exported."""

from __future__ import annotations

import hashlib
from pathlib import Path

from unidad.checkpoint import atomic_folder, read_json
from unidad.metrics.feature_network import load_feature_network
from unidad.networks.folder import WEIGHTS_NAME, load_network
from unidad.pipeline import UnidadPipeline
from unidad.sampling import load_pipeline

WEIGHTS = Path(__file__).parent / "weights"
SHIPPED_SOURCE_TEACHER = WEIGHTS / "synthetic-faces-source"
SHIPPED_FEATURE_NETWORK = WEIGHTS / "synthetic-faces-features"


def place_source_teacher(origin: str, out: Path) -> None:
    """Check a source teacher and write it as an exported, float32, many-step model.

    Args:
        origin: ``shipped`` or a folder with ``unet/`` and ``scheduler/``.
        out: model folder.

    Raises:
        UserError: the folder or its weights are missing or of another architecture.
    """
    network = load_network(SHIPPED_SOURCE_TEACHER if origin == "shipped" else origin)
    with atomic_folder(out) as partial:
        UnidadPipeline(network.unet, network.scheduler).save_pretrained(partial)


def place_feature_network(origin: str, out: Path) -> None:
    """Check a feature network and copy it.

    Args:
        origin: ``shipped`` or a folder that `unidad train-features` wrote.
        out: folder to write.

    Raises:
        UserError: a file is missing, unreadable or of another architecture.
    """
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
        card = _card(dict(pipeline.config), summary, weights, dtype, command)
        (partial / "README.md").write_text(card)


def _card(config: dict, summary: dict, weights: Path, dtype: str, command: str) -> str:
    name = weights.parents[1].name.removesuffix(".partial")
    facts = {
        "method": summary.get("method"),
        "trained on": f"{summary.get('target')}, shots {summary.get('shots') or 'all'}",
        "seed": summary.get("seed"),
        "student updates": f"{summary['updates']['student']:,}",
        "training images seen": f"{summary.get('images_seen', 0):,}",
        "training time": f"{summary['seconds'] / 60:.0f} minutes",
        "parameters": f"{summary['parameters']:,}, stored as {dtype}",
        "network evaluations an image": config["nfe"],
        "commit": summary.get("commit"),
        "exported by": f"`{command}`",
        f"sha256 of {weights.name}": f"`{hashlib.sha256(weights.read_bytes()).hexdigest()}`",
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
