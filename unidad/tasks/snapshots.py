"""Quality on the way: the snapshots of a run, drawn with and measured as its last model is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unidad.config.evaluation import Evaluation, PromptGrid
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.extractors import load_extractor
from unidad.features.features import extract
from unidad.files import read_json
from unidad.metrics.registry import measurable, measure
from unidad.sampling import Kept, draw, load_image_model, sample
from unidad.tasks.evaluate import evidence_class, missing_keys_named
from unidad.tasks.shown import shown_samples


def evaluate_snapshots(spec: dict, progress: bool = True) -> tuple[dict, ImageSet]:
    """Measure every snapshot of a row's run.

    Args:
        spec: of the row, see `evaluate_row`; ``snapshots`` is the run's folder of them,
            ``drawing`` the file of settings that the row's images were drawn with.
        progress: show progress bars.

    Returns:
        ``run``, and ``snapshots``: for each, in order, ``updates`` (of the student) and
        ``metrics``. And the images that a page shows of them: of each, in order, equally many.

    Raises:
        UserError: a key or a file is missing, or a file is not what it should be.
    """
    with missing_keys_named():
        if not spec["snapshots"]:
            raise UserError("this row's run keeps no snapshots; set training.snapshots")
        folder = Path(spec["snapshots"])
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder of snapshots; train the run first")
        extractor = load_extractor(*spec["networks"])
        drawing = read_json(Path(spec["drawing"]), "`unidad plan --write` makes it")
        kind, nfe = evidence_class(spec), spec["run"]["nfe"]
        measured, kept = [], []
        for snapshot in sorted(path for path in folder.iterdir() if path.name.isdecimal()):
            images = draw_as(drawing, snapshot, nfe, progress)
            features = extract(images, extractor, kind.prompts(spec, images))
            found = kind(spec, extractor, images, features, progress=progress)
            metrics = measure(measurable(kind), found)
            measured.append({"updates": int(snapshot.name), "metrics": metrics})
            kept.append(images.images[shown_samples(images)])
        shown = np.concatenate(kept) if kept else np.zeros((0, 1, 1, 3), np.uint8)
        return {"run": spec["run"], "snapshots": measured}, ImageSet(shown)


def draw_as(settings: dict, folder: Path, nfe: int, progress: bool = True) -> ImageSet:
    """What a model folder draws by the settings of a row's images.

    Args:
        settings: of `Evaluation`, or of `PromptGrid` for a text-to-image model.
        folder: of the model.
        nfe: network evaluations an image.
        progress: show a progress bar.

    Raises:
        UserError: an unfit folder, or an nfe that the sampler cannot spend.
    """
    if "prompts" not in settings:
        known = Evaluation(**settings)
        model = load_image_model(folder)
        return sample(model, known.samples, known.seed, nfe, known.batch_size, progress)[0]
    from unidad.prompt_sampling import FromPrompts, load_text_to_image_model  # slow to import

    drawing = FromPrompts(load_text_to_image_model(folder), PromptGrid(**settings), nfe)
    return draw(drawing, Kept(), progress)[0]
