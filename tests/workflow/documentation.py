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


def commands() -> list[Command]:
    """The words of every call, in blocks and in lines, each once; verbs that are mentioned, too."""
    calls = []
    for page in PAGES:
        text = FENCE.sub("", page.read_text())
        calls += [*BLOCK.findall(text), *INLINE.findall(text)]
    return list(dict.fromkeys(map(_words, calls)))


def _words(call: str) -> Command:
    """As a shell splits them, without the comment behind; `<run's folder>` is one word."""
    call = re.sub(r"<([^>\n]*)>", lambda name: re.sub(r"\W", "_", name[1]), call)
    return tuple(shlex.split(call.replace("\\\n", " "), comments=True))
