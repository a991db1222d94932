"""Tests of an experiment's page, in a browser; `test_smoke.py` runs them on its results."""

import json
import shutil
from pathlib import Path

import jinja2
import pytest
from chromium import opened
from docutils.core import publish_parts

from unidad.cli import main
from unidad.report.page.write import rst


class TestPage:
    @pytest.mark.parametrize(("width", "dark"), [(1200, False), (360, True)])
    def test_the_page_needs_nothing_else_and_fits_the_screen(self, smoke, width, dark):
        with opened(smoke / "index.html", width, dark) as page:
            assert page.complaints == []
            assert "ahead" in page.inner_text(".answer") or "No trained" in page.inner_text(
                ".answer"
            )
            assert page.locator("#table tbody tr:not(.block)").count() > 3
            assert page.locator("#strips img, #strips canvas, #strips .tile").count() > 10
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            untold = page.evaluate("[...document.images].filter((image) => !image.alt).length")
            assert untold == 0

    def test_choosing_changes_what_the_page_shows(self, smoke):
        with opened(smoke / "index.html") as page:
            names = page.locator("#strips .strip .name b")
            before = names.all_inner_texts()
            assert before[0] == "training images"
            label = page.locator("#choice fieldset input").first.get_attribute("value")
            page.locator("#choice fieldset input").first.uncheck()
            after = names.all_inner_texts()
            assert len(after) < len(before)
            assert not any(name.split(",")[0] == label for name in after)
            assert page.locator("#strips button[tabindex='0']").count() == 1
            page.locator("#strips button.tile").first.focus()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
            title = page.inner_text("#dialog-title")
            assert title.endswith("image 1")
            assert "unidad sample" in page.inner_text("#dialog")
            page.keyboard.press("ArrowLeft")
            assert page.inner_text("#dialog-title").endswith("image 0")
            page.keyboard.press("Escape")
            assert not page.evaluate("document.getElementById('dialog').open")
            assert page.complaints == []

    def test_plots_have_the_measured_values_at_the_pointer_and_by_keys(self, smoke):
        row = json.loads((smoke / "metrics/babies/shots5/uni-dad/seed0/nfe2.json").read_text())
        distance = f"{row['metrics']['frechet_distance']:.4g}"
        with opened(smoke / "index.html") as page:
            names = page.locator("#plots figcaption b").all_inner_texts()
            assert names[:2] == ["FD against NFE", "FD against Intra-LPIPS"]
            figure = page.locator("#plots figure").nth(3)
            figure.locator("svg").focus()
            told = []
            for _ in range(20):
                page.keyboard.press("ArrowRight")
                told.append(figure.locator(".tip").inner_text())
            (uni_dad,) = {t for t in told if t.startswith("Uni-DAD\n") and "8 updates" in t}
            assert f"FD (synthetic features): {distance}" in uni_dad
            page.keyboard.press("Tab")
            assert not figure.locator(".tip").is_visible()
            figure.locator("svg g polygon, svg g circle").last.hover()
            assert "training minutes" in figure.locator(".tip").inner_text()
            tip, ring = (figure.locator(name).bounding_box() for name in (".tip", ".ring"))
            assert abs(tip["y"] + tip["height"] / 2 - ring["y"]) < 100
            assert page.complaints == []

    def test_plots_and_curves_follow_the_choice(self, smoke):
        with opened(smoke / "index.html") as page:
            lines = page.locator("#curves polyline")
            names = page.locator("#curves figcaption b").all_inner_texts()
            assert {"denoising", "gan student", "discriminator accuracy"} <= set(names)
            before = lines.count()
            box = page.locator("form[data-of=curves] input[value=FT]")
            box.focus()
            page.keyboard.press("Space")
            assert lines.count() < before
            assert page.evaluate("document.activeElement.value") == "FT"
            assert not page.locator("#choice input[value=FT]").is_checked()
            target = page.locator("form[data-of=plots] select[name=block]")
            target.focus()
            target.select_option(index=1)
            assert page.locator("#choice select[name=block]").input_value() == "1"
            assert page.evaluate("document.activeElement.name") == "block"
            assert page.complaints == []

    def test_the_answer_does_not_count_the_source(self, smoke):
        with opened(smoke / "index.html") as page:
            assert "target" not in page.inner_text(".answer").replace("its target", "")

    def test_labels_are_text_on_the_page(self, smoke, tmp_path, monkeypatch):
        label = "<FT> |$&"  # the same folders as FT has
        shutil.copytree(smoke, tmp_path / "results/smoke", ignore=shutil.ignore_patterns("model"))
        monkeypatch.chdir(tmp_path)
        config = json.loads((smoke / "specs/config.json").read_text())
        renamed = json.loads(json.dumps(config).replace('"FT"', json.dumps(label)))
        (tmp_path / "config.json").write_text(json.dumps(renamed))
        for file in (tmp_path / "results/smoke/metrics").rglob("ft/**/*.json"):
            file.write_text(file.read_text().replace('"FT"', json.dumps(label)))
        main(["page", "--config", "config.json"])
        with opened(tmp_path / "results/smoke/index.html") as page:
            assert label in page.locator("#table button.variant").all_inner_texts()
            assert any(label in said for said in page.locator("#choice label").all_inner_texts())
            assert f"{label}, NFE 3" in page.locator("#strips .name").all_inner_texts()
            assert page.complaints == []

    @staticmethod
    def test_labels_are_text_in_the_summary():
        label = "a_ *b* |c| `d` {{ e }} <f> \\g"
        rendered = jinja2.Template(f"x {rst(label)} y").render()
        assert publish_parts(rendered, writer="html")["body"].strip() == (
            "<p>x a_ *b* |c| `d` {{ e }} &lt;f&gt; \\g y</p>"
        )

    def test_with_several_seeds_one_is_shown_at_first(self, smoke, tmp_path, monkeypatch):
        shutil.copytree(smoke, tmp_path / "results/smoke", ignore=shutil.ignore_patterns("model"))
        monkeypatch.chdir(tmp_path)
        for first in [*Path("results/smoke").rglob("seed0*")]:
            shutil.copytree(first, str(first).replace("seed0", "seed1")) if first.is_dir() else None
        for file in Path("results/smoke/metrics").rglob("seed1/*.json"):
            content = json.loads(file.read_text())
            content["run"]["seed"] = 1
            file.write_text(json.dumps(content))
        config = json.loads((smoke / "specs/config.json").read_text())
        Path("config.json").write_text(json.dumps(config | {"seeds": [0, 1]}))
        main(["page", "--config", "config.json"])
        with opened(tmp_path / "results/smoke/index.html") as page:
            rows, lines = (
                page.locator("#strips .name", has_text="seed"),
                page.locator("#curves polyline"),
            )
            shown = rows.count(), lines.count()
            assert not any("seed 1" in name for name in rows.all_inner_texts())
            page.locator("#choice select[name=seed]").select_option("all")
            assert (rows.count(), lines.count()) == (2 * shown[0], 2 * shown[1])
            page.locator("#table button.variant", has_text="Uni-DAD").last.click()
            told = page.locator("#dialog details")
            assert [said.split(", ")[-1] for said in told.locator("summary").all_inner_texts()] == [
                "seed 0",
                "seed 1",
            ]
            assert told.locator("dl").first.is_visible()
            assert not told.locator("dl").last.is_visible()

    def test_a_click_on_a_heading_sorts_the_table(self, smoke):
        with opened(smoke / "index.html") as page:
            page.locator("#table thead th button").nth(2).click()
            cells = page.locator("#table tbody").first.locator("tr:not(.block) td:nth-child(3)")
            texts = cells.all_inner_texts()
            values = [float(text.split()[0]) for text in texts if text[0].isdigit()]
            assert len(values) > 2
            assert values == sorted(values)
