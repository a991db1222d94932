"""Metrics files gathered into one tidy frame: mean and standard deviation over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from unidad.errors import UserError
from unidad.report.published import published_value
from unidad.tasks.plots import MINUTES, UPDATES

ROW_KEYS = ("experiment", "target", "shots", "variant", "method", "nfe")
RUN_KEYS = (*ROW_KEYS, "trained_nfe", "seed")
NO_PAPERS: Mapping[str, str] = {}
WHOLE_NUMBERS = ("shots", "nfe", "trained_nfe", "cost_nfe", "student_updates")


def load_metrics(paths: Iterable[str | Path]) -> list[dict]:
    """Read metrics files, one a (run, NFE).

    Raises:
        UserError: a file is missing, is not JSON, or lacks a key.
    """
    return [_read_metrics(Path(path)) for path in paths]


def _read_metrics(path: Path) -> dict:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such metrics file; run `unidad evaluate` first") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); run `unidad evaluate` again") from None
    try:
        missing = [key for key in RUN_KEYS if key not in content["run"]]
        parts = ("samples", "extractor", "metrics", "nearest", "cost")
        missing += [key for key in parts if key not in content]
    except (KeyError, TypeError):
        missing = ["run"]
    if missing:
        raise UserError(f"{path}: no '{missing[0]}' in it; run `unidad evaluate` again")
    return content


def with_mean_of_targets(metrics: Sequence[dict], label: str | None) -> list[dict]:
    """Add results of a target `label`: what every target has, averaged over them.

    Values that are missing for one target are missing in the mean. Nothing is added to results
    on one target, or where `label` is None.
    """
    targets = {content["run"]["target"] for content in metrics}
    if len(targets) < 2 or label is None:
        return list(metrics)
    return [*metrics, *mean_of_targets(metrics, label)]


def mean_of_targets(metrics: Sequence[dict], label: str) -> list[dict]:
    """What every target has, averaged over them; in place of them."""
    targets = {content["run"]["target"] for content in metrics}
    groups: dict[tuple, list[dict]] = {}
    for content in metrics:
        key = tuple(value for name, value in content["run"].items() if name != "target")
        groups.setdefault(key, []).append(content)
    complete = [group for group in groups.values() if len(group) == len(targets)]
    return [_mean_result(group, label) for group in complete]


def _mean_result(group: Sequence[dict], label: str) -> dict:
    def mean(part: str) -> dict:
        names = dict.fromkeys(name for content in group for name in content[part])
        values = {name: [content[part].get(name) for content in group] for name in names}
        return {
            name: None if None in given else sum(given) / len(given)
            for name, given in values.items()
        }

    run = group[0]["run"] | {"target": label}
    return group[0] | {"run": run, "metrics": mean("metrics"), "cost": mean("cost")}


def is_control(run: dict) -> bool:
    """Whether a row was never trained: real images, or the source teacher as it is."""
    return run["method"] is None


def is_table_row(run: dict) -> bool:
    """Whether a result belongs in the table: drawn with as many steps as it was trained for."""
    untrained = is_control(run) and run["trained_nfe"] is None
    return untrained or run["nfe"] == run["trained_nfe"]


def variant_order(metrics: Sequence[dict], order: Sequence[str] = ()) -> list[str]:
    """Every variant once: trained ones by `order`, then by appearance; controls likewise, last."""
    control = {m["run"]["variant"]: is_control(m["run"]) for m in metrics}
    listed = list(dict.fromkeys([*(v for v in order if v in control), *control]))
    return sorted(listed, key=control.__getitem__)


def aggregate(
    metrics: Sequence[dict], order: Sequence[str] = (), papers: Mapping[str, str] = NO_PAPERS
) -> pd.DataFrame:
    """Mean and sample standard deviation over seeds, one row a (row of the table, metric).

    Args:
        metrics: contents of metrics files.
        order: variants as the configuration lists them.
        papers: metric → heading of the papers' numbers.

    Returns:
        Columns experiment, target, shots and nfe (nullable integers), variant, method, control
        (bool), samples (images of a seed), extractor, metric, mean, std, n (seeds with a value),
        paper_label, paper_value, paper_note.
        `std` has n - 1 in the denominator and is null for n < 2; `mean` is null for n = 0.

    Raises:
        UserError: a seed counted twice, or results on different feature networks.
    """
    _check(metrics)
    groups: dict[tuple, list[dict]] = {}
    for content in metrics:
        groups.setdefault(tuple(content["run"][key] for key in ROW_KEYS), []).append(content)
    rank = {variant: i for i, variant in enumerate(variant_order(metrics, order))}
    blocks = list(dict.fromkeys(key[:3] for key in groups))
    ordered = sorted(groups, key=lambda key: (blocks.index(key[:3]), rank[key[3]], key[5] or 0))
    rows = [
        row
        for key in ordered
        for row in _summaries(dict(zip(ROW_KEYS, key, strict=True)), groups[key], papers)
    ]
    frame = pd.DataFrame(rows)
    return frame.astype({"shots": "Int64", "nfe": "Int64"}) if rows else frame


def comparison(
    metrics: Sequence[dict], order: Sequence[str] = (), papers: Mapping[str, str] = NO_PAPERS
) -> pd.DataFrame:
    """`aggregate` over the table's rows alone: every variant at the NFE it was trained for."""
    return aggregate([m for m in metrics if is_table_row(m["run"])], order, papers)


def trajectories(
    metrics: Sequence[dict], y: str, order: Sequence[str] = (), x: str = UPDATES
) -> pd.DataFrame:
    """A metric of every row's snapshots and of its last model, over seeds.

    Args:
        metrics: contents of metrics files.
        y: the metric.
        order: variants as the configuration lists them.
        x: what it is drawn against: UPDATES, MINUTES or another metric.

    Returns:
        Columns target, shots (nullable integer), variant, updates (of the student), mean_x, std_x,
        mean_y, std_y (deviations are null for one seed); sorted by updates within a variant.
    """
    points = [
        {**{key: content["run"][key] for key in ("target", "shots", "variant")}, **point}
        for content in metrics
        if is_table_row(content["run"])
        for point in _points(content, x, y)
    ]
    keys = ["target", "shots", "variant", "updates"]
    frame = pd.DataFrame(points, columns=[*keys, "x", "y"]).dropna(subset=["x", "y"])
    groups = frame.groupby(keys, sort=False, dropna=False)
    means = groups.agg(
        **{f"{how}_{axis}": (axis, how) for axis in ("x", "y") for how in ("mean", "std")}
    )
    rank = {variant: i for i, variant in enumerate(variant_order(metrics, order))}
    return (
        means.reset_index()
        .astype({"shots": "Int64"})
        .sort_values(
            ["variant", "updates"], key=lambda c: c.map(rank) if c.name == "variant" else c
        )
    )


def _points(content: dict, x: str, y: str) -> list[dict]:
    """Of the snapshots and of the last model; of a control, which has no updates, none."""
    cost = content["cost"]
    updates = cost.get("student_updates")
    if updates is None:
        return []
    last = {"updates": updates, "metrics": content["metrics"]}
    points = []
    for at in [*content.get("trajectory", []), last]:
        values = at["metrics"] | {UPDATES: at["updates"]}
        if x == MINUTES:
            values[MINUTES] = _minutes(cost, at["updates"] / updates)
        points.append({"updates": at["updates"], "x": values.get(x), "y": values.get(y)})
    return points


def _minutes(cost: dict, share: float) -> float | None:
    """Training minutes after a share of the run's updates, with the runs it builds on.

    Updates of one run take equally long.
    """
    own, total = cost.get("training_seconds"), cost.get("training_seconds_total")
    return None if own is None or total is None else (total - own * (1 - share)) / 60


def all_results(metrics: Sequence[dict]) -> pd.DataFrame:
    """One row a metrics file, everything in it as columns; cost's own NFE as `cost_nfe`."""
    rows = []
    for content in metrics:
        cost = {("cost_nfe" if k == "nfe" else k): v for k, v in content["cost"].items()}
        head = {"samples": content["samples"], "extractor": content["extractor"]}
        rows.append({**content["run"], **head, **content["metrics"], **cost})
    frame = pd.DataFrame(rows)
    whole = [c for c in WHOLE_NUMBERS if c in frame]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def _check(metrics: Sequence[dict]) -> None:
    seen = set()
    for content in metrics:
        run = content["run"]
        key = tuple(run[name] for name in (*ROW_KEYS, "seed"))
        if key in seen:
            raise UserError(
                f"two metrics files for {run['target']}, '{run['variant']}', NFE {run['nfe']}, "
                f"seed {run['seed']}; pass each one once"
            )
        seen.add(key)
    extractors = sorted({content["extractor"] for content in metrics})
    if len(extractors) > 1:
        raise UserError(
            f"metrics on different features ({', '.join(extractors)}) cannot share a table; "
            "evaluate all runs with one extractor"
        )


def _summaries(row: dict, contents: list[dict], papers: Mapping[str, str]) -> list[dict]:
    seeds = [{**content["metrics"], **content["cost"]} for content in contents]
    names = [name for name in dict.fromkeys(n for seed in seeds for n in seed) if name != "nfe"]
    head = {**row, "control": is_control(row)}
    head |= {key: contents[0][key] for key in ("samples", "extractor")}
    return [
        {**head, "metric": name, **_statistics([seed.get(name) for seed in seeds])}
        | _paper(row, name, papers)
        for name in names
    ]


def _statistics(values: Iterable[float | None]) -> dict:
    known = pd.Series([v for v in values if v is not None and not math.isnan(v)], dtype=float)
    return {"mean": known.mean(), "std": known.std(ddof=1), "n": len(known)}


def _paper(row: dict, metric: str, papers: Mapping[str, str]) -> dict:
    found = metric in papers and published_value(
        row["target"], row["variant"], metric, row["nfe"], row["shots"]
    )
    return {
        "paper_label": papers[metric] if found else None,
        "paper_value": found.value if found else None,
        "paper_note": found.note if found else None,
    }
