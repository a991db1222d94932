"""Commands and configurations that README.md, CONTRIBUTING.md and docs/ show."""

import re
import shlex
from pathlib import Path

import yaml
from checkouts import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
PROGRAMS = "accelerate|dvc|git|hf|make|pip|pytest|python|snakemake|tensorboard|torchrun|unidad"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
BLOCK = re.compile(rf"^ {{4,}}((?:{PROGRAMS}) (?:.*\\\n)*.*)$", re.M)
INLINE = re.compile(rf"`((?:\w+=\w+ )*(?:{PROGRAMS}) [^`]+)`")

Command = tuple[str, ...]


def fences(page: Path, language: str) -> list[str]:
    """The page's fenced blocks of a language."""
    return [text for kind, text in FENCE.findall(page.read_text()) if kind == language]


def fragments() -> list[tuple[str, dict]]:
    """Every YAML block: (page, what it says)."""
    return [(page.name, yaml.safe_load(text)) for page in PAGES for text in fences(page, "yaml")]


def commands(text: str | None = None) -> list[Command]:
    """The words of every call, in blocks and in lines, each once; verbs that are mentioned, too."""
    pages = [page.read_text() for page in PAGES] if text is None else [text]
    calls = []
    for page in pages:
        rest = FENCE.sub("", page)
        calls += [*BLOCK.findall(rest), *INLINE.findall(rest)]
    return list(dict.fromkeys(map(_words, calls)))


def section(page: str, heading: str) -> str:
    """What stands below a heading of the second level."""
    text = (ROOT / page).read_text()
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def changed(root: Path, diff: str) -> None:
    """Apply a diff below a folder: what a hunk takes away must stand there exactly once."""
    for file in re.split(r"^--- .*\n", diff, flags=re.M)[1:]:
        name, *hunks = re.split(r"^@@.*\n", file, flags=re.M)
        path = root / name.strip().removeprefix("+++ b/")
        text = path.read_text()
        for hunk in hunks:
            lines = hunk.splitlines(keepends=True)
            old, new = ("".join(x[1:] for x in lines if x[0] in kept) for kept in (" -", " +"))
            assert text.count(old) == 1, f"{path}: {old}"
            text = text.replace(old, new)
        path.write_text(text)


def _words(call: str) -> Command:
    """As a shell splits them, without the comment behind; `<run's folder>` is one word."""
    call = re.sub(r"<([^>\n]*)>", lambda name: re.sub(r"\W", "_", name[1]), call)
    return tuple(shlex.split(call.replace("\\\n", " "), comments=True))
