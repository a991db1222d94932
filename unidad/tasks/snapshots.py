"""Quality on the way: the snapshots of a run, drawn with and measured as its last model is."""

from __future__ import annotations

from pathlib import Path

from unidad.errors import UserError
from unidad.features.extractors import load_extractor
from unidad.features.features import extract
from unidad.files import read_json
from unidad.metrics.registry import measurable, measure
from unidad.sampling import draw_as
from unidad.tasks.evaluate import evidence_class, missing_keys_named


def evaluate_snapshots(spec: dict, progress: bool = True) -> dict:
    """Measure every snapshot of a row's run.

    Args:
        spec: of the row, see `evaluate_row`; ``snapshots`` is the run's folder of them,
            ``drawing`` the file of settings that the row's images were drawn with.
        progress: show progress bars.

    Returns:
        ``run``, and ``snapshots``: for each, in order, ``updates`` (of the student) and
        ``metrics``.

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
        measured = []
        for snapshot in sorted(path for path in folder.iterdir() if path.name.isdecimal()):
            images = draw_as(drawing, snapshot, nfe, progress)
            features = extract(images, extractor, kind.prompts(spec, images))
            found = kind(spec, extractor, images, features, progress=progress)
            metrics = measure(measurable(kind), found)
            measured.append({"updates": int(snapshot.name), "metrics": metrics})
        return {"run": spec["run"], "snapshots": measured}
