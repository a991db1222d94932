"""One look for all figures: sizes, and a colour and marker that stay with a variant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

PALETTE = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#000000", "#8C6D31")
"""Okabe and Ito's colour-blind-safe colours; yellow, pale on white, gives way to a brown."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "h")
CONTROL_COLOR = "#7F7F7F"
CONTROL_MARKERS = ("*", "x", "+", "1", "2")
CONTROL_DASHES = ((0, (6, 3)), (0, (1.5, 2)), (0, (6, 2, 1.5, 2)), (0, (3, 1.5)), (0, (1, 4)))

FEATURE_LABELS = {
    "synthetic-faces": "synthetic features",
    "synthetic": "synthetic features",
}

RC = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 7.5,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "figure.dpi": 150,
    "savefig.dpi": 150,
}


@dataclass(frozen=True)
class Style:
    """How one variant is drawn: `dashes` serve a control that has no NFE, drawn as a level."""

    color: str
    marker: str
    dashes: tuple | str = "-"


def variant_styles(trained: Iterable[str], controls: Iterable[str] = ()) -> dict[str, Style]:
    """Styles by place in the order: the palette for trained variants, greys for controls."""
    styles = {
        variant: Style(PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)])
        for i, variant in enumerate(trained)
    }
    for i, control in enumerate(controls):
        i %= len(CONTROL_MARKERS)
        styles[control] = Style(CONTROL_COLOR, CONTROL_MARKERS[i], CONTROL_DASHES[i])
    return styles


def block_title(target: str, shots: int | None) -> str:
    """What a block of the table and a panel of a plot are called; null shots: a whole set."""
    if pd.isna(shots):
        return f"{target}, all images"
    return f"{target}, {shots} {'shot' if shots == 1 else 'shots'}"


def feature_label(extractor: str) -> str:
    """How distances on this feature network are marked, so that none passes for plain FID."""
    return FEATURE_LABELS.get(extractor, f"{extractor} features")
