"""What the trainings and examinations of the benchmark's networks write for their readers."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from torch import nn

from unidad.files import atomic_file, sha256
from unidad.provenance import commit
from unidad.style import RC

Row = dict[str, str | float]


def write_card(folder: Path, title: str, about: str, facts: Mapping[str, str], *more: str) -> None:
    """Write the card of a network, ``README.md``: what it is, facts, tables and what they show."""
    listed = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    (folder / "README.md").write_text("\n\n".join([f"# {title}", about, listed, *more]) + "\n")


def provenance(
    network: nn.Module, weights: Path, seed: int, command: str, dtype: str = "bfloat16"
) -> dict[str, str]:
    """What a card says of a network's origin: fact → value.

    Args:
        network: that was trained.
        weights: its file.
        seed: of the training.
        command: what was typed.
        dtype: of the weights in the file.
    """
    parameters = sum(p.numel() for p in network.parameters())
    return {
        "command": f"`{command}`" if command else "not recorded",
        "parameters": f"{parameters:,}, stored as {dtype}",
        "seed": str(seed),
        "commit": commit(),
        f"sha256 of {weights.name}": f"`{sha256(weights)}`",
    }


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write a table, whole or not at all."""
    with atomic_file(path) as partial, open(partial, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_page(folder: Path, name: str, text: str, figure: Figure) -> None:
    """Write ``<name>.md`` and ``figures/<name>.png``."""
    with atomic_file(folder / f"{name}.md") as partial:
        partial.write_text(text)
    with atomic_file(folder / "figures" / f"{name}.png") as partial, mpl.rc_context(RC):
        figure.savefig(partial, format="png")
