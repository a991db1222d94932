"""Which network a folder describes: the one place that loads what looks at images."""

from __future__ import annotations

from pathlib import Path

from unidad.config.evaluation import PHOTO_NETWORK, PublishedFeatures
from unidad.config.mistakes import validate
from unidad.features.contract import Extractor, Together
from unidad.files import read_json, write_json

CONFIG = "config.json"
PUBLISHED = "published"
"""Key of a folder's configuration that stands for the networks of the literature."""
REMEDY = "the folder of a feature network has it, or a note of a published one"


def load_extractor(*folders: str | Path) -> Extractor:
    """The network of a folder, or those of several together; the ``config.json`` tells the kind.

    A folder holds a network that was trained here, a CLIP, DINO or DINOv2 in the layout of
    transformers, or a note of published ones (`save_published`) or of that for photographs.

    Raises:
        UserError: a file is missing or unreadable, the weights are of another architecture, or a
            note is not what it should be.
    """
    found = [_load(Path(folder)) for folder in folders]
    return found[0] if len(found) == 1 else Together(found)


def save_published(which: PublishedFeatures | str, folder: str | Path) -> None:
    """Write a note for `load_extractor`; the folder holds no weights.

    Args:
        which: Inception and LPIPS, or the name of a model on the Hugging Face hub.
        folder: to write into.
    """
    note = which if isinstance(which, str) else which.model_dump()
    write_json(Path(folder) / CONFIG, {PUBLISHED: note})


def save_photo(folder: str | Path) -> None:
    """Write a note for `load_extractor` of the network for photographs, without its weights."""
    write_json(Path(folder) / CONFIG, {"model_type": PHOTO_NETWORK})


# Imports stand in the branches: the libraries behind a kind take longer to import than a row to
# measure.
def _load(folder: Path) -> Extractor:
    values = read_json(folder / CONFIG, REMEDY)
    if PUBLISHED in values:
        return _published(values[PUBLISHED], f"{folder / CONFIG}: {PUBLISHED}")
    kind = values.get("model_type")
    if kind == "clip":
        from unidad.features.clip import load_clip

        return load_clip(folder)
    if kind == PHOTO_NETWORK:
        from unidad.features.photo import load_photo_network

        return load_photo_network()
    if kind is not None:
        from unidad.features.vision import load_vision_transformer

        return load_vision_transformer(folder)
    if "embedding" in values:
        from unidad.features.scene_network import load_scene_network

        return load_scene_network(folder)
    from unidad.features.feature_network import load_feature_network

    return load_feature_network(folder)


def _published(note: str | dict, where: str) -> Extractor:
    from unidad.features.pretrained import published_folder
    from unidad.features.published import Published, published_inception

    if isinstance(note, str):
        return Published(note, lambda: _load(published_folder(note)))
    return published_inception(validate(PublishedFeatures, note, where))
