"""The page of an experiment: from its files to `index.html`, and the summary of its report."""

from __future__ import annotations

import inspect
import re
from collections.abc import Container, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup

from unidad.files import atomic_file
from unidad.metrics.registry import ARROWS, METRICS, Column
from unidad.plan import Plan
from unidad.report.comparison import (
    comparison,
    is_table_row,
    load_metrics,
    with_mean_of_targets,
)
from unidad.report.page.answer import findings, headline
from unidad.report.page.charts import charts, curves
from unidad.report.page.origins import origin
from unidad.report.page.sprites import Sprites
from unidad.report.page.strips import image_rows
from unidad.report.render import styles_of
from unidad.report.tables import SHOWN_COSTS, measured_columns, papers_beside, table
from unidad.style import block_title, feature_label
from unidad.tasks.rows import Row
from unidad.tasks.task import Task

PAGE, SUMMARY = "index.html", "tables/summary.rst"
STYLES = ("page.css",)
SCRIPTS = (
    "common.js",
    "table.js",
    "dialog.js",
    "marks.js",
    "choice.js",
    "images.js",
    "plot.js",
    "charts.js",
)
WITHOUT_REFERENCE = {"frechet_distance": "vendi_score", "memorisation": "near_copies"}
FILES = Path(__file__).parent / "templates"


def write_page(plan: Plan) -> Path:
    """Write `index.html` into the experiment's folder, and `tables/summary.rst`; returns its path.

    The page needs no other file and no network: pictures, script and styles are inside. The
    summary is what Snakemake's own report opens on.

    Raises:
        UserError: a file is missing; the message names the verb that makes it.
    """
    rows = plan.rows()
    measured = list(
        zip(rows, load_metrics(f"{plan.root}/{row.metrics}" for row in rows), strict=True)
    )
    sprites = Sprites()
    training, strips = image_rows(plan, measured, sprites)
    contents = [content for _, content in measured]
    drawn = charts(plan, contents)
    data = {
        "blocks": [
            {"title": block_title(*block), **pictures}
            for block, pictures in zip(plan.table_targets(), training, strict=True)
        ],
        "variants": _variants(plan, contents),
        "strips": strips,
        "rows": [_row(plan, row, content) for row, content in measured],
        "charts": drawn,
        "curves": curves(plan),
        "sides": sprites.sides,
    }
    title = f"{plan.task.title.capitalize()}: {plan.config.experiment}"
    numbers = _numbers(plan, contents)
    page = _template("page.html").render(
        title=title,
        data=data,
        sprites=sprites.encoded,
        css=_read(STYLES),
        script=_read(SCRIPTS),
        plan=plan,
        plots=bool(drawn),
        **numbers,
    )
    summary = _template("summary.rst").render(title=title, **numbers)
    for name, text in ((SUMMARY, summary), (PAGE, page)):
        with atomic_file(Path(plan.root) / name) as partial:
            partial.write_text(text, encoding="utf-8")
    return Path(plan.root) / PAGE


def rst(text: str) -> str:
    """A text as it is, in reStructuredText that goes through Jinja before it is read."""
    escaped = re.sub(r"([\\*_|`])", r"\\\1", " ".join(text.split()))
    return escaped.replace("{", "{{ '{' }}")


def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("unidad.report.page"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rst"] = rst
    return environment.get_template(name)


def _read(names: Sequence[str]) -> Markup:
    """Our own files, which go into the page as they are."""
    return Markup("\n".join((FILES / name).read_text(encoding="utf-8") for name in names))


def _variants(plan: Plan, contents: Sequence[dict]) -> list[dict]:
    styles = styles_of(contents, list(plan.config.variants))
    controls = dict.fromkeys(
        content["run"]["variant"] for content in contents if content["run"]["method"] is None
    )
    trained = [label for label in styles if label not in controls]
    return [
        {
            "label": label,
            "color": styles[label].color,
            "marker": styles[label].marker,
            "control": label in controls,
        }
        for label in [*trained, *controls]
    ]


def _row(plan: Plan, row: Row, content: dict) -> dict:
    run = content["run"]
    return {
        "block": block_title(row.target, row.shots),
        "variant": row.label,
        "nfe": row.nfe,
        "as_trained": is_table_row(run),
        "seed": run["seed"],
        **origin(plan, row, content),
    }


def _numbers(plan: Plan, contents: Sequence[dict]) -> dict:
    """The table, the answer, and what the columns are."""
    task = type(plan.task)
    metrics = with_mean_of_targets(contents, task.mean_of_targets)
    rows = comparison(metrics, list(plan.config.variants), task.papers)
    columns = measured_columns(rows)
    features = feature_label(rows["extractor"].iloc[0])
    main = _main(task, columns)
    found = findings(rows, [column for column in columns if column.name in main], features)
    laid_out = table(rows, task)
    return {
        "table": laid_out,
        "heads": [_head(column, main, features) for column in columns],
        "papers": list(papers_beside(rows, task).values()),
        "findings": found,
        "answer": headline(found, task.mean_of_targets),
    }


def _main(task: type[Task], columns: Sequence[Column]) -> set[str]:
    """The columns that are shown at first: what the task draws plots of, and the cost.

    What needs held-out images gives way to its like that does not, where there are none.
    """
    drawn = {name for plot in task.plots for name in (plot.x, plot.y)}
    measured = {column.name for column in columns}
    without = {other for name, other in WITHOUT_REFERENCE.items() if name in drawn - measured}
    return drawn | without | {column.name for column in SHOWN_COSTS}


def _head(column: Column, main: Container[str], features: str) -> dict:
    metric = METRICS.get(column.name)
    function = metric and metric.function
    about = inspect.getdoc(function) if inspect.isfunction(function) else None
    return {
        "name": column.heading.format(features=features),
        "arrow": ARROWS[column.better].strip(),
        "better": column.better,
        "note": column.note,
        "main": column.name in main,
        "about": (about or "").split("\n")[0],
    }
