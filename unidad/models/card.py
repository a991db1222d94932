"""A model folder and the card that says what it is and how to draw with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from unidad.files import atomic_folder, sha256
from unidad.networks.registry import model_weights
from unidad.sampling import ImageModel

SAMPLES = "samples.png"


def write_model(
    save: Callable[[Path], None],
    out: Path,
    facts: Mapping[str, object],
    command: str,
    drawing: str,
    samples: Image.Image | None = None,
    measured: str = "",
) -> None:
    """Write a model folder and its card, ``README.md``.

    Args:
        save: writes the model into a folder.
        out: model folder.
        facts: what the card tells, in reading order.
        command: what was typed.
        drawing: how to draw with the model, see `Backbone.HOW_TO_DRAW`.
        samples: a picture of what it draws, for the card.
        measured: a section of the card, see `unidad.models.measured`.
    """
    with atomic_folder(out) as partial:
        save(partial)
        weights = model_weights(partial)
        facts = {
            **facts,
            "exported by": f"`{command}`",
            f"sha256 of {weights.name}": f"`{sha256(weights)}`",
        }
        rows = "\n".join(f"- {key}: {value}" for key, value in facts.items())
        name, shown = out.resolve().name, ""
        if samples is not None:
            samples.save(partial / SAMPLES)
            shown = f"\n![What it draws]({SAMPLES})\n"
        card = f"# {name}\n\n{rows}\n\n{drawing.replace('NAME', name)}{measured}{shown}"
        (partial / "README.md").write_text(card)


def saving(model: ImageModel, dtype: str) -> Callable[[Path], None]:
    """What writes a model into a folder, its weights as ``float32`` or ``bfloat16``."""
    if dtype == "bfloat16":
        model.network.model.bfloat16()
    return model.save
