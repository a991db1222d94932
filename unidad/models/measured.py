"""What an experiment measured of a run, for its model's card."""

from __future__ import annotations

from pathlib import Path

from unidad.files import read_json
from unidad.metrics.registry import METRICS, Column
from unidad.style import feature_label


def measured(run: Path, summary: dict) -> str:
    """A section of a card: the table of a run's metrics; empty where it was not measured.

    What was measured of another training of the same run is left out, and so is what was chosen
    among snapshots, which are other models.

    Args:
        run: its folder, ``<experiment>/runs/<key>``; metrics are ``<experiment>/metrics/<key>``.
        summary: of its training: ``nfe``, ``seconds``.

    Raises:
        UserError: the file of metrics is damaged.
    """
    path = _file(run.resolve(), summary["nfe"])
    if path is None:
        return ""
    content = read_json(path, "measure again")
    if content["cost"]["training_seconds"] != summary["seconds"]:
        return ""
    features = feature_label(content["extractor"])
    values = content["metrics"]
    rows = [
        f"| {column.header(features)} | {column.text(values[column.name])} |"
        for column in _columns()
        if values.get(column.name) is not None
    ]
    if not rows:
        return ""
    no_fid = "" if features.startswith("inception-") else " A distance in them is no FID."
    about = (
        f"{content['samples']} images of the float32 weights, {summary['nfe']} network "
        f"evaluations each, seed {content['run']['seed']}, target {content['run']['target']}; "
        f"measured with {features}. These numbers compare with others of as many images and the "
        f"same features.{no_fid}"
    )
    table = "\n".join(["| metric | value |", "|---|---:|", *rows])
    return f"\n## Measured\n\n{about}\n\n{table}\n"


def _columns() -> list[Column]:
    """That tables show, of the model itself."""
    own = (metric for metric in METRICS.values() if "snapshots" not in metric.needs)
    return [metric.column for metric in own if metric.column.heading]


def _file(run: Path, nfe: int | None) -> Path | None:
    for root in run.parents:
        if run.is_relative_to(root / "runs"):
            path = root / "metrics" / run.relative_to(root / "runs") / f"nfe{nfe}.json"
            if path.is_file():
                return path
    return None
