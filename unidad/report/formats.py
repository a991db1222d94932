"""One laid-out table as Markdown, LaTeX and HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "²": r"$^2$",
    "³": r"$^3$",
    "–": "--",
}
MARKDOWN = "|*_\\<>&$`~"
MARKDOWN_IN_NOTES = "<$"
STYLE = """<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5em; }
table { border-collapse: collapse; }
th, td { padding: .3em .7em; text-align: right; white-space: nowrap; }
th { border-bottom: 1px solid; white-space: normal; vertical-align: bottom; font-weight: 600; }
td:first-child, th:first-child { text-align: left; }
th.theirs, td.theirs { color: #666; border-left: 1px solid #ccc; }
tr.block th { text-align: left; padding-top: 1.2em; }
tr.control { font-style: italic; color: #555; }
</style>"""


@dataclass(frozen=True)
class Cell:
    """Plain text, to be escaped by the writer."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """A variant's row; a control stands in italics."""

    label: str
    control: bool
    cells: list[Cell]


@dataclass(frozen=True)
class Block:
    """One target's rows."""

    title: str
    rows: list[Row]


@dataclass(frozen=True)
class Table:
    """Blocks of one width under one header.

    Attributes:
        header: of the columns.
        blocks: of rows.
        notes: below the table.
        theirs: which columns are the papers', counted from 0.
        heading: above all.
        caption: below it.
    """

    header: tuple[str, ...]
    blocks: list[Block]
    notes: list[str]
    theirs: tuple[int, ...] = ()
    heading: str = ""
    caption: str = ""


def markdown(table: Table) -> str:
    """A heading and a pipe table for each block, the notes below."""
    lines = [f"# {table.heading}", ""] if table.heading else []
    lines += [table.caption, ""] if table.caption else []
    rule = ["---"] + ["---:"] * (len(table.header) - 1)
    for block in table.blocks:
        title = _backslashed(block.title, MARKDOWN_IN_NOTES)
        lines += [f"## {title}", "", _pipes(table.header), _pipes(rule)]
        lines += [_pipes(_markdown_row(row)) for row in block.rows]
        lines.append("")
    notes = [f"- {_backslashed(note, MARKDOWN_IN_NOTES)}" for note in table.notes]
    return "\n".join([*lines, *notes, ""])


def _pipes(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _markdown_row(row: Row) -> list[str]:
    texts = [_markdown_text(row.label), *(_markdown_text(cell.text) for cell in row.cells)]
    marks = ["*" if row.control else ""] * len(texts)
    for i, cell in enumerate(row.cells, start=1):
        marks[i] += "**" if cell.bold else ""
    return [f"{mark}{text}{mark}" for mark, text in zip(marks, texts, strict=True)]


def _markdown_text(text: str) -> str:
    """Shown as it is: no marks, HTML, links or formulas."""
    return _backslashed(text, MARKDOWN).replace("](", "]\\(")


def _backslashed(text: str, characters: str) -> str:
    return "".join(f"\\{c}" if c in characters else c for c in text)


def latex(table: Table) -> str:
    """A `table*` for booktabs and graphicx, the blocks under one header."""
    columns = len(table.header)
    heads = [r"\shortstack[r]{" + _stacked(head) + "}" for head in table.header[1:]]
    lines = [
        "% needs \\usepackage{booktabs, graphicx}",
        r"\begin{table*}",
        r"\centering",
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{l{_latex_columns(table)}}}",
        r"\toprule",
        _ampersands([table.header[0], *heads]),
    ]
    for block in table.blocks:
        lines += [r"\midrule", rf"\multicolumn{{{columns}}}{{l}}{{{_latex_text(block.title)}}} \\"]
        lines += [_ampersands(_latex_row(row)) for row in block.rows]
    lines += [r"\bottomrule", r"\end{tabular}}"]
    heading = [f"{table.heading}."] if table.heading else []
    told = [*heading, *filter(None, [table.caption]), *table.notes]
    caption = " ".join(_latex_text(note) for note in told)
    return "\n".join([*lines, rf"\caption{{{caption}}}", r"\end{table*}", ""])


def _latex_columns(table: Table) -> str:
    """A gap before the papers' columns, where these are the last ones."""
    columns = range(1, len(table.header))
    last = columns[len(columns) - len(table.theirs) :]
    gap = table.theirs[0] if table.theirs and tuple(last) == table.theirs else None
    return "".join(r"@{\hspace{2em}}r" if place == gap else "r" for place in columns)


def _ampersands(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"


def _stacked(header: str) -> str:
    """One word a line; what stands in brackets and a closing arrow stay whole."""
    words = re.split(r" (?![↓↑])(?![^(]*\))", header)
    return r"\\".join(_latex_text(word) for word in words)


def _latex_row(row: Row) -> list[str]:
    def dressed(text: str, bold: bool) -> str:
        text = _latex_text(text)
        text = rf"\textbf{{{text}}}" if bold else text
        return rf"\textit{{{text}}}" if row.control else text

    return [dressed(row.label, False), *(dressed(cell.text, cell.bold) for cell in row.cells)]


def _latex_text(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)


def html(table: Table) -> str:
    """A page by itself, as a browser and Snakemake's report show it."""
    columns = len(table.header)
    lines = ["<!doctype html>", '<html lang="en"><head><meta charset="utf-8">']
    lines += [f"<title>{escape(table.heading or 'Comparison')}</title>", STYLE, "</head><body>"]
    told = {"h1": table.heading, "p": table.caption}
    lines += [f"<{tag}>{escape(text)}</{tag}>" for tag, text in told.items() if text]
    lines.append("<table>")
    lines.append(_html_row("th", [escape(head) for head in table.header], "head", table.theirs))
    for block in table.blocks:
        lines.append(f'<tr class="block"><th colspan="{columns}">{escape(block.title)}</th></tr>')
        for row in block.rows:
            texts = [escape(row.label), *(_emphasis(cell) for cell in row.cells)]
            kind = "control" if row.control else "trained"
            lines.append(_html_row("td", texts, kind, table.theirs))
    lines += ["</table><ul>", *(f"<li>{escape(note)}</li>" for note in table.notes), "</ul>"]
    return "\n".join([*lines, "</body></html>", ""])


def _emphasis(cell: Cell) -> str:
    return f"<b>{escape(cell.text)}</b>" if cell.bold else escape(cell.text)


def _html_row(tag: str, texts: list[str], kind: str, theirs: tuple[int, ...]) -> str:
    marks = [' class="theirs"' if place in theirs else "" for place in range(len(texts))]
    cells = [f"<{tag}{mark}>{text}</{tag}>" for mark, text in zip(marks, texts, strict=True)]
    return f'<tr class="{kind}">{"".join(cells)}</tr>'
