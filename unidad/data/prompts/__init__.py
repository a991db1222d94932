"""Prompt templates: the standard ones of the DreamBooth benchmark, and a user's own files.

A prompt file holds one template a line; `{}` or `{subject}` is the slot for the subject. Blank
lines and lines that begin with `#` are skipped.
"""

from __future__ import annotations

import re
from pathlib import Path

from unidad.config.evaluation import MOST_PROMPTS
from unidad.config.section import CONTROL
from unidad.errors import UserError

STANDARD = {kind: Path(__file__).with_name(f"{kind}.txt") for kind in ("objects", "live")}
"""The 25 prompts for objects and the 25 for live subjects of Ruiz et al. 2023."""
TEXTUAL_INVERSION = "textual_inversion"
"""What a configuration calls the templates that Gal et al. 2023 trained a word with."""

_SLOT = re.compile(r"\{(?:subject)?\}")


def read_prompts(path: str | Path) -> tuple[str, ...]:
    """Templates of a prompt file, in its order, each with the slot `{}` exactly once.

    Raises:
        UserError: the file cannot be read, holds no prompt, or a line has no slot, more than
            one, another brace, or a control character.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file in UTF-8"
        raise UserError(f"prompt file {path}: {reason}") from error
    numbered = ((number, line.strip()) for number, line in enumerate(lines, 1))
    prompts = tuple(
        _template(line, f"{path}, line {number}")
        for number, line in numbered
        if line and not line.startswith("#")
    )
    if not prompts:
        raise UserError(f"prompt file {path}: no prompt in it; write one a line, like 'a red {{}}'")
    if len(prompts) > MOST_PROMPTS:
        raise UserError(f"prompt file {path}: {len(prompts)} prompts, at most {MOST_PROMPTS}")
    return prompts


def templates_file(name: str) -> Path:
    """The file of training's templates: ``textual_inversion``, or a path."""
    shipped = Path(__file__).with_name(f"{TEXTUAL_INVERSION}.txt")
    return shipped if name == TEXTUAL_INVERSION else Path(name)


def fill(template: str, subject: str) -> str:
    """The prompt about this subject: `a red {}` and `prt cat` → `a red prt cat`."""
    return template.replace("{}", subject)


def without_token(prompt: str, token: str) -> str:
    """The prompt as if the rare token were not in it: `a red prt cat` → `a red cat`."""
    return re.sub(rf"(?<!\S){re.escape(token)}(?:\s+|$)", "", prompt).strip()


def _template(line: str, where: str) -> str:
    if CONTROL.search(line):
        raise UserError(f"{where}: a control character is in {line!r}; leave it out")
    template, slots = _SLOT.subn("{}", line)
    if slots != 1:
        found = "no slot" if slots == 0 else f"{slots} slots"
        raise UserError(f"{where}: {found} for the subject in {line!r}; write {{}} in it once")
    if re.search(r"[{}]", template.replace("{}", "")):
        raise UserError(f"{where}: stray brace in {line!r}; only {{}} or {{subject}} may have one")
    return template
