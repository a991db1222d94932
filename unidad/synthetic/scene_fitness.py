"""Is a scene network fit for use? Subjects against look-alikes, and words read off scenes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import mannwhitneyu
from tqdm import tqdm

from unidad.data.prompts import STANDARD, fill, read_prompts
from unidad.features.scene_network import PARTS, SceneNetwork
from unidad.style import PALETTE, RC
from unidad.synthetic.pages import Row, write_csv, write_page
from unidad.synthetic.scenes import (
    LIVE,
    SUBJECTS,
    Description,
    Scenes,
    render,
    scene_of,
    source_scenes,
    subject_scenes,
    training_photos,
)

NAME = "scene_fitness"
SEED = 77
"""Of the renderings: a series of its own, which neither training nor benchmark uses."""
PICTURES_PER_PROMPT = 8
SOURCE_SCENES = 8000
OWN, LOOK_ALIKES, OTHERS = "its own", "look-alikes", "other classes"
RECOLOURED = ("red", "purple")
"""Properties that hide the colours of an instance."""
ALL, KEPT, HIDDEN = "all", "colours kept", "red or purple"
"""Prompts: all standard ones, and those without and with one of RECOLOURED."""
SUBJECT_COLUMNS = ("subject", "prompts", "pictures", "mean", "low", "high", "roc_auc")
WORD_COLUMNS = ("part", "word", "pictures", "recognised")


@dataclass(frozen=True)
class Fitness:
    """What `fitness` finds.

    Attributes:
        subjects: rows of SUBJECT_COLUMNS: the similarity of some pictures to a subject's training
            photos, its mean and 5th and 95th percentile; and how often a picture of the subject
            is more similar than they (None for its own).
        words: rows of WORD_COLUMNS: share of the pictures with a word whose word is read right.
        pixels: sha256 of the source scenes: another renderer gives another.
    """

    subjects: list[Row]
    words: list[Row]
    pixels: str


def fitness(network: SceneNetwork, resolution: int = 32, progress: bool = True) -> Fitness:
    """Measure a scene network on held-out renderings.

    A subject's own pictures are of the standard prompts, PICTURES_PER_PROMPT each. Look-alikes
    are random instances of its class, another one in each picture, in the same prompts; so is the
    other subject of the class, if there is one. The other classes' pictures are source scenes.
    Its own and its look-alikes are also compared apart for prompts that keep or hide colours.

    Args:
        network: to examine.
        resolution: of the renderings, in pixels.
        progress: show a progress bar.
    """
    source = source_scenes(SEED, range(SOURCE_SCENES))
    images = render(source, resolution)
    embeddings = network.embed(images)
    rows = []
    for subject in tqdm(SUBJECTS, desc="fitness", unit="subject", disable=not progress):
        photos = network.embed(render(training_photos(subject), resolution))
        others = source.words("category") != SUBJECTS[subject].category
        scenes = _pictures(subject, source)
        pictures = {
            name: network.embed(render(group, resolution)) for name, group in scenes.items()
        }
        rows += subject_rows(subject, ALL, photos, pictures | {OTHERS: embeddings[others]})
        hidden = np.isin(scenes[OWN].words("property"), RECOLOURED)
        for prompts, chosen in ((KEPT, ~hidden), (HIDDEN, hidden)):
            part = {name: pictures[name][chosen] for name in (OWN, LOOK_ALIKES)}
            rows += subject_rows(subject, prompts, photos, part)
    words = word_rows(source.descriptions, network.words(images))
    digest = hashlib.sha256(np.ascontiguousarray(images)).hexdigest()
    return Fitness(rows, words, digest)


def _pictures(subject: str, source: Scenes) -> dict[str, Scenes]:
    """Scenes of the subject, of look-alikes and of its sibling, if any, in the standard prompts."""
    category = SUBJECTS[subject].category
    templates = read_prompts(STANDARD["live" if category in LIVE else "objects"])
    prompts = [fill(template, category) for template in templates] * PICTURES_PER_PROMPT
    indices = range(len(prompts))
    alike = source[np.flatnonzero(source.words("category") == category)[: len(prompts)]]
    siblings = [s for s, one in SUBJECTS.items() if one.category == category and s != subject]
    return {
        OWN: subject_scenes(subject, prompts, SEED, indices),
        LOOK_ALIKES: Scenes(tuple(map(scene_of, prompts)), alike.values),
        **{s: subject_scenes(s, prompts, SEED, indices) for s in siblings},
    }


def subject_rows(
    subject: str, prompts: str, photos: np.ndarray, pictures: dict[str, np.ndarray]
) -> list[Row]:
    """Rows of SUBJECT_COLUMNS for some pictures of a subject.

    ROC-AUC is the share of pairs, one picture of the subject and one of the others, in which the
    former is the more similar to the photos (Mann and Whitney 1947).

    Args:
        subject: its name.
        prompts: what the pictures show: ALL, KEPT or HIDDEN.
        photos: unit rows (P, D).
        pictures: name of a group → unit rows (N, D); one of them is OWN.
    """
    similar = {name: found @ photos.mean(0) for name, found in pictures.items()}
    rows = []
    for name, values in similar.items():
        low, high = np.percentile(values, (5, 95))
        numbers = [round(float(number), 4) for number in (values.mean(), low, high)]
        auc = None if name == OWN else round(roc_auc(similar[OWN], values), 4)
        cells = (subject, prompts, name, *numbers, auc)
        rows.append(dict(zip(SUBJECT_COLUMNS, cells, strict=True)))
    return rows


def roc_auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """Share of pairs of one value each in which the first is the larger; a tie counts half."""
    return float(mannwhitneyu(higher, lower).statistic) / (len(higher) * len(lower))


def word_rows(truth: Sequence[Description], found: dict[str, list[str]]) -> list[Row]:
    """Rows of WORD_COLUMNS; objects, which wear nothing, do not count among accessories.

    Args:
        truth: what the pictures show.
        found: of `SceneNetwork.words`.
    """
    rows = []
    for part in PARTS:
        pairs = [
            (getattr(scene, part), word)
            for scene, word in zip(truth, found[part], strict=True)
            if part != "accessory" or scene.category in LIVE
        ]
        for true in sorted({true for true, _ in pairs}):
            right = [word == true for other, word in pairs if other == true]
            share = round(sum(right) / len(right), 4)
            rows.append(dict(zip(WORD_COLUMNS, (part, true, len(right), share), strict=True)))
    return rows


def write_fitness(
    network: SceneNetwork, folder: str | Path, resolution: int = 32, progress: bool = True
) -> Fitness:
    """Write `fitness` as two tables (.csv), ``scene_fitness.md`` and a plot in ``figures/``.

    Arguments other than `folder` and result are those of `fitness`.
    """
    found, folder = fitness(network, resolution, progress), Path(folder)
    write_csv(folder / f"{NAME}.csv", SUBJECT_COLUMNS, found.subjects)
    write_csv(folder / f"{NAME}_words.csv", WORD_COLUMNS, found.words)
    write_page(folder, NAME, markdown(found), plot(found))
    return found


def subject_table(rows: Sequence[Row]) -> str:
    """Mean similarity in all prompts, in brackets ROC-AUC of its own against the others."""
    lines = [
        f"| subject | {OWN} | {LOOK_ALIKES} | {OTHERS} | its sibling |",
        "|---|---:|---:|---:|---:|",
    ]
    for subject in dict.fromkeys(row["subject"] for row in rows):
        cells = {row["pictures"]: _cell(row) for row in _chosen(rows, subject, ALL)}
        named = [cells.pop(name) for name in (OWN, LOOK_ALIKES, OTHERS)]
        lines.append(" | ".join([f"| {subject}", *named, *(cells.values() or ["–"])]) + " |")
    return "\n".join(lines)


def colour_table(rows: Sequence[Row]) -> str:
    """As `subject_table`, apart for prompts that keep a subject's colours and that hide them."""
    lines = [
        f"| subject | {OWN}, {KEPT} | {LOOK_ALIKES} | {OWN}, {HIDDEN} | {LOOK_ALIKES} |",
        "|---|---:|---:|---:|---:|",
    ]
    for subject in dict.fromkeys(row["subject"] for row in rows):
        cells = [_cell(row) for part in (KEPT, HIDDEN) for row in _chosen(rows, subject, part)]
        lines.append(" | ".join([f"| {subject}", *cells]) + " |")
    return "\n".join(lines)


def _chosen(rows: Sequence[Row], subject: str, prompts: str) -> list[Row]:
    return [row for row in rows if (row["subject"], row["prompts"]) == (subject, prompts)]


def _cell(row: Row) -> str:
    if row["roc_auc"] is None:
        return f"**{row['mean']:.2f}**"
    return f"{row['mean']:.2f} ({row['roc_auc']:.3f})"


def word_table(rows: Sequence[Row]) -> str:
    """Share of pictures whose word is read right, over all words of a part, and for the worst."""
    lines = ["| part | pictures | read right | worst word |", "|---|---:|---:|---|"]
    for part in PARTS:
        words = [row for row in rows if row["part"] == part]
        pictures = sum(row["pictures"] for row in words)
        share = sum(row["pictures"] * row["recognised"] for row in words) / pictures
        worst = min(words, key=lambda row: row["recognised"])
        named = f"{worst['word'] or 'none'}: {worst['recognised']:.3f}"
        lines.append(f"| {part} | {pictures} | {share:.3f} | {named} |")
    return "\n".join(lines)


def markdown(found: Fitness) -> str:
    """The page of the documentation."""
    picture = "Similarity to a subject's photos of its own and of other pictures; words read right"
    return f"""# Is the scene network fit for use?

`unidad scene-fitness --out docs` makes this page, its tables ([subjects]({NAME}.csv),
[words]({NAME}_words.csv)) and its plot, from renderings that training never saw.

## Subjects

Mean similarity (cosine of instance embeddings) of pictures to a subject's training photos. Its own
pictures are in the standard prompts, {PICTURES_PER_PROMPT} of each; look-alikes are random
instances of its class in the same prompts, a new one in each picture; its sibling is the other
named subject of the class. In brackets the share of pairs in which the subject's own picture is
the more similar (ROC-AUC): 0.5 is chance.

{subject_table(found.subjects)}

Two prompts in 25 recolour the subject, and recoloured pictures had no part in learning instances:
in them a subject is hardly told from its look-alikes. The table above counts them, as the
evaluation does, so a model that follows these two prompts is a little less similar to the photos
than one that ignores them. Apart:

{colour_table(found.subjects)}

## Words

Read off {SOURCE_SCENES:,} source scenes; accessories count for animals alone.

{word_table(found.words)}

![{picture}](figures/{NAME}.png)
"""


@mpl.rc_context(RC)
def plot(found: Fitness) -> Figure:
    """Similarities, mean and 5th to 95th percentile, and the share of each word read right."""
    figure = Figure(figsize=(10.5, 6.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    _plot_subjects(left, found.subjects)
    _plot_words(right, found.words)
    return figure


def _plot_subjects(axes: Axes, rows: Sequence[Row]) -> None:
    subjects = list(dict.fromkeys(row["subject"] for row in rows))
    groups = {
        f"{OWN}, {KEPT}": (KEPT, (OWN,)),
        f"{OWN}, {HIDDEN}": (HIDDEN, (OWN,)),
        LOOK_ALIKES: (ALL, (LOOK_ALIKES,)),
        OTHERS: (ALL, (OTHERS,)),
        "its sibling": (ALL, tuple(SUBJECTS)),
    }
    for number, (name, (prompts, pictures)) in enumerate(groups.items()):
        part = [row for row in rows if row["prompts"] == prompts and row["pictures"] in pictures]
        places = [subjects.index(row["subject"]) + 0.16 * (number - 2) for row in part]
        _whiskers(axes, part, places, PALETTE[number], name)
    axes.set_yticks(range(len(subjects)), subjects)
    axes.invert_yaxis()
    axes.set(xlabel="similarity to the training photos", title="Subjects")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)


def _whiskers(
    axes: Axes, rows: Sequence[Row], places: Sequence[float], colour: str, label: str
) -> None:
    low, mean, high = (np.array([row[name] for row in rows]) for name in ("low", "mean", "high"))
    around = np.stack([mean - low, high - mean])
    axes.errorbar(mean, places, xerr=around, fmt="o", color=colour, markersize=5, label=label)


def _plot_words(axes: Axes, rows: Sequence[Row]) -> None:
    for place, part in enumerate(PARTS):
        shares = [row["recognised"] for row in rows if row["part"] == part]
        spread = place + np.linspace(-0.3, 0.3, len(shares))
        axes.plot(shares, spread, "o", color=PALETTE[4], markersize=4)
    axes.set_yticks(range(len(PARTS)), PARTS)
    axes.invert_yaxis()
    axes.set(xlabel="share read right, each word", title="Words")
