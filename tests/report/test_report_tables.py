import io
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from report_fakes import CONTROLS, ORDER, fake_results, result

from unidad.metrics.registry import METRICS
from unidad.report.comparison import comparison
from unidad.report.formats import Block, Cell, Row, Table, html, latex, markdown
from unidad.report.tables import SHOWN_COSTS, table, write_tables
from unidad.tasks.generation import Generation

HEADERS = {metric.column.name: metric.column for metric in METRICS.values()}
HEADERS |= {column.name: column for column in SHOWN_COSTS}


def of_domains(metrics, order=()) -> Table:
    return table(comparison(metrics, order, Generation.papers), Generation)


def cells_of(metrics, metric, order=()):
    """(label → cell) of one column, over a single block."""
    laid_out = of_domains(metrics, order)
    (block,) = laid_out.blocks
    place = laid_out.header.index(HEADERS[metric].header("synthetic features")) - 1
    return {row.label: row.cells[place] for row in block.rows}


def test_papers_stand_beside_ours_where_they_have_a_number():
    """Of babies they have, of my photos they have not."""
    theirs, mine = of_domains([result("Uni-DAD")]), of_domains([result("Uni-DAD", target="mine")])
    assert theirs.header[-2:] == tuple(Generation.papers.values())
    assert mine.header == theirs.header[:-2]
    assert [len(row.cells) for row in mine.blocks[0].rows] == [len(mine.header) - 1]
    assert [any("paper" in note for note in each.notes) for each in (theirs, mine)] == [True, False]


def test_nothing_is_bold_of_a_single_variant():
    metrics = [result("A", frechet_distance=1.0), result("Held-out images", control=True)]
    assert not any(cell.bold for cell in cells_of(metrics, "frechet_distance").values())


def test_mean_and_deviation_are_printed_where_there_are_seeds():
    metrics = [result("A", i, frechet_distance=v) for i, v in enumerate([1.0, 2.0, 6.0])]
    metrics.append(result("B", frechet_distance=7.0))
    cells = cells_of(metrics, "frechet_distance")
    assert cells["A"].text == "3.00 ± 2.65"
    assert cells["B"].text == "7.00"


@pytest.mark.parametrize(
    ("metric", "values", "best", "printed"),
    [
        ("frechet_distance", [4.0, 3.0, 5.0], {"B"}, ["4.00", "3.00", "5.00"]),
        ("kernel_distance", [0.004, 0.0101, 0.0035], {"C"}, ["4.00", "10.10", "3.50"]),
        ("intra_lpips", [0.4, 0.3, 0.5], {"C"}, ["0.400", "0.300", "0.500"]),
        ("coverage", [0.9, 0.3, 0.5], {"A"}, ["0.90", "0.30", "0.50"]),
        ("memorisation", [0.01, 0.0, 0.5], {"B"}, ["0.010", "0.000", "0.500"]),
        ("training_seconds_total", [60, 90, 600], {"A"}, ["1.0", "1.5", "10.0"]),
        ("images_per_second", [60, 90, 600], {"C"}, ["60.0", "90.0", "600.0"]),
        ("frechet_distance", [3.001, 3.004, 5.0], {"A", "B"}, ["3.00", "3.00", "5.00"]),
        ("recall", [0.5, 0.5, 0.5], {"A", "B", "C"}, ["0.50"] * 3),
        ("attribute_spread", [0.9, 0.3, 1.5], set(), ["0.90", "0.30", "1.50"]),
        ("recall", [None, 0.2, 0.1], {"B"}, ["–", "0.20", "0.10"]),
    ],
)
def test_bold_is_the_best_printed_mean(metric, values, best, printed):
    metrics = [result(name, **{metric: v}) for name, v in zip("ABC", values, strict=True)]
    cells = cells_of(metrics, metric)
    assert [cell.text for cell in cells.values()] == printed
    assert {name for name, cell in cells.items() if cell.bold} == best


def test_what_does_not_draw_the_target_is_never_bold():
    """B is the most diverse of all, and draws a quarter of the target: 0.8 is enough, 0.79 not."""
    shares = {"A": 0.8, "B": 0.25, "C": 0.79}
    diversity = {"A": 0.3, "B": 0.6, "C": 0.5}
    metrics = [
        result(name, domain_share=share, intra_lpips=diversity[name])
        for name, share in shares.items()
    ]
    for metric in ("intra_lpips", "domain_share"):
        cells = cells_of(metrics, metric)
        assert [name for name, cell in cells.items() if cell.bold] == ["A"]
    notes = " ".join(of_domains(metrics).notes)
    assert "Nothing is bold of a variant whose domain share is below 0.8" in notes
    assert "domain share" not in " ".join(of_domains([result("A")]).notes)


def test_a_column_without_a_value_anywhere_is_left_out():
    metrics = [
        result(name, recall=None, precision=value) for name, value in (("A", 0.5), ("B", None))
    ]
    header = of_domains(metrics).header
    assert "recall ↑" not in header
    assert "precision ↑" in header
    assert "best FD on the way" not in header


def test_best_is_the_mean_over_seeds_not_the_best_seed():
    metrics = [result("A", i, frechet_distance=v) for i, v in enumerate([1.0, 9.0])]
    metrics += [result("B", i, frechet_distance=v) for i, v in enumerate([4.0, 4.0])]
    cells = cells_of(metrics, "frechet_distance")
    assert not cells["A"].bold
    assert cells["B"].bold


def test_controls_are_italic_never_bold_and_do_not_take_the_bold_away():
    metrics = [result("A", frechet_distance=5.0), result("B", frechet_distance=6.0)]
    metrics += [result(name, frechet_distance=0.2) for name in CONTROLS]
    cells = cells_of(metrics, "frechet_distance")
    assert [name for name, cell in cells.items() if cell.bold] == ["A"]
    (block,) = of_domains(metrics).blocks
    assert [row.label for row in block.rows if row.control] == CONTROLS
    assert not any(cell.bold for row in block.rows if row.control for cell in row.cells)


def test_a_control_of_other_size_shows_no_metric_that_depends_on_the_number_of_images():
    metrics = [result("A", recall=0.5)]
    for name, samples in (("Source teacher", 2000), ("Training images", 10)):
        metrics.append(result(name, recall=0.9, precision=0.7) | {"samples": samples})
    shown = {
        metric: [cells_of(metrics, metric)[name].text for name in (CONTROLS[0], CONTROLS[2])]
        for metric in ("recall", "frechet_distance", "precision", "kernel_distance")
    }
    assert shown["recall"] == ["0.90", "–"]
    assert shown["frechet_distance"] == ["5.00", "–"]
    assert shown["precision"] == ["0.70", "0.70"]
    assert shown["kernel_distance"] == ["4.00", "4.00"]
    assert any("depends on their number" in note for note in of_domains(metrics).notes)
    assert not any("depends on their number" in n for n in of_domains(metrics[:2]).notes)


def test_a_control_that_ties_the_best_stays_plain():
    metrics = [result(name, recall=value) for name, value in zip("AB", (0.5, 0.4), strict=True)]
    metrics.append(result("Held-out images", recall=0.5))
    cells = cells_of(metrics, "recall")
    assert cells["A"].bold
    assert not cells["Held-out images"].bold


def test_every_target_has_its_own_best():
    metrics = [result("A"), result("B", frechet_distance=1.0)]
    metrics += [result("A", target="cats", frechet_distance=1.0), result("B", target="cats")]
    blocks = of_domains(metrics).blocks
    assert [block.title for block in blocks] == ["babies, 10 shots", "cats, 10 shots"]
    bold = [[row.cells[1].bold for row in block.rows] for block in blocks]
    assert bold == [[False, True], [True, False]]


def test_paper_columns_are_last_and_never_bold():
    metrics = [result("Uni-DAD", frechet_distance=1.0), result("FT", nfe=25)]
    metrics.append(result("Held-out images", nfe=None))
    laid_out = of_domains(metrics, ORDER)
    assert laid_out.header[-2:] == (
        "paper FID (Inception, FFHQ 256²)",
        "paper Intra-LPIPS (VGG, FFHQ 256²)",
    )
    paper = [row.cells[-2:] for row in laid_out.blocks[0].rows]
    assert paper == [
        [Cell("57.06"), Cell("0.32")],
        [Cell("45.09"), Cell("0.46")],
        [Cell("–"), Cell("–")],
    ]
    assert [row.cells[0].text for row in laid_out.blocks[0].rows] == ["25", "3", "–"]


def test_paper_notes_are_numbered_below_the_table():
    metrics = [result("DMD2-FT", target="portraits"), result("DMD2-FT")]
    laid_out = of_domains(metrics)
    texts = [block.rows[0].cells[-2].text for block in laid_out.blocks]
    assert texts == ["129.26 [1]", "140.27 [2]"]
    assert laid_out.notes[-2:] == [
        "[1] portraits, DMD2-FT: another transcription has 69.41.",
        "[2] babies, DMD2-FT: Distill-then-Adapt.",
    ]


def test_distances_are_never_called_plain_fid():
    header = of_domains([result()]).header
    assert header[2] == "FD (synthetic features) ↓"
    assert all("paper" in head for head in header if re.search(r"\bFID\b", head))
    other = [result() | {"extractor": "dino"}]
    assert of_domains(other).header[2] == "FD (dino features) ↓"


SMALL = Table(
    ("variant", "KD (my features) ×10³ ↓", "a_b", "paper FID", "paper LPIPS"),
    [
        Block(
            "babies, 10 shots",
            [
                Row("A & B|C", False, [Cell("3.00 ± 1.00", True), *[Cell("–")] * 3]),
                Row("real <images>", True, [Cell("0.20"), *[Cell("1%")] * 3]),
            ],
        )
    ],
    ["One note_."],
    (3, 4),
)


def test_markdown_text():
    assert markdown(SMALL) == (
        "## babies, 10 shots\n\n"
        "| variant | KD (my features) ×10³ ↓ | a_b | paper FID | paper LPIPS |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| A \\& B\\|C | **3.00 ± 1.00** | – | – | – |\n"
        "| *real \\<images\\>* | *0.20* | *1%* | *1%* | *1%* |\n\n"
        "- One note_.\n"
    )


def test_latex_rows():
    lines = latex(SMALL).splitlines()
    assert r"A \& B|C & \textbf{3.00 $\pm$ 1.00} & -- & -- & -- \\" in lines
    assert r"\textit{real <images>} & \textit{0.20} & \textit{1\%} & " in latex(SMALL)
    assert r"\multicolumn{5}{l}{babies, 10 shots} \\" in lines
    assert r"\shortstack[r]{KD\\(my features)\\$\times$10$^3$ $\downarrow$}" in latex(SMALL)
    assert r"\caption{One note\_.}" in lines
    assert [line for line in lines if line.endswith("rule")] == [
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
    ]


def test_latex_of_a_real_table_is_balanced_ascii_with_equal_rows():
    text = latex(of_domains(fake_results(), ORDER))
    assert text.count("{") == text.count("}")
    unknown = {c for c in text if ord(c) > 127} - set("éç")
    assert unknown == set()
    rows = [line for line in text.splitlines() if "&" in line]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {16}
    assert len(rows) == 1 + 2 * 9


def test_html_has_every_cell():
    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags, self.texts = [], []

        def handle_starttag(self, tag, attributes):
            self.tags.append(tag)

        def handle_data(self, data):
            self.texts.append(data)

    reader = Reader()
    reader.feed(html(SMALL))
    assert reader.tags.count("td") == 10
    assert reader.tags.count("b") == 1
    assert {"real <images>", "A & B|C", "3.00 ± 1.00"} <= set(reader.texts)
    assert '<tr class="control"><td>real' in html(SMALL)
    assert html(SMALL).count('<td class="theirs">') == 4


def test_files(tmp_path):
    metrics = fake_results()
    write_tables(metrics, tmp_path, Generation, ORDER)
    names = ["all.csv", *(f"comparison.{kind}" for kind in ("csv", "html", "md", "tex"))]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    everything = pd.read_csv(tmp_path / "all.csv")
    assert len(everything) == len(metrics)
    tidy = pd.read_csv(tmp_path / "comparison.csv")
    again = comparison(metrics, ORDER)
    assert list(tidy["mean"].dropna()) == pytest.approx(list(again["mean"].dropna()), rel=1e-12)
    blocks = (tmp_path / "comparison.md").read_text().split("## ")[1:]
    columns = pd.read_csv(io.StringIO(blocks[0]), sep="|", skiprows=1).iloc[1:, 1].str.strip(" *")
    assert list(columns)[: len(ORDER)] == ORDER


@pytest.mark.parametrize(
    ("extractor", "comparable"),
    [("synthetic-faces", False), ("inception-legacy_pytorch, lpips-vgg", True)],
)
def test_only_published_networks_compare_with_the_paper(extractor, comparable):
    notes = " ".join(of_domains([result() | {"extractor": extractor}]).notes)
    assert ("not comparable with ours" in notes) is not comparable
    assert ("compare with ours, whose FD is then the FID, where" in notes) is comparable


def test_labels_are_text_in_markdown():
    label = "<script>alert(1)</script> |$x$| [a](b) `c` & *d*"
    laid_out = Table(("variant", "NFE"), [Block("a<b, 10 shots", [Row(label, False, [])])], ["$1"])
    text = markdown(laid_out)
    assert "\\<script\\>alert(1)\\</script\\> \\|\\$x\\$\\| [a]\\(b) \\`c\\` \\& \\*d\\*" in text
    assert "## a\\<b, 10 shots" in text
    assert "- \\$1" in text
