"""The rows of images that one can choose on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from unidad.data.image_set import ImageSet
from unidad.data.prompts import without_token
from unidad.errors import UserError
from unidad.plan import Plan
from unidad.report.page.origins import redrawing
from unidad.report.page.sprites import Sprites
from unidad.tasks.rows import Row
from unidad.tasks.shown import SHOWN, shown_samples


def image_rows(
    plan: Plan, metrics: Sequence[tuple[Row, dict]], sprites: Sprites
) -> tuple[list[dict], list[dict]]:
    """Training images of every block, and every row of images.

    Args:
        plan: of the experiment.
        metrics: each row with its metrics file's content.
        sprites: gets the pictures.

    Returns:
        Of each block of the table ``sprite`` and ``count`` of its training images; and for each
        row of images ``block`` (its number), ``variant``, ``nfe``, ``seed``, ``updates`` (None:
        the last model), ``row`` (its number in `metrics`), ``sprite``, ``samples``, ``prompts``,
        ``neighbours`` (numbers of training images, for each sample) and ``again``.

    Raises:
        UserError: an image set is missing or not what it should be.
    """
    blocks = plan.table_targets()
    training = [_training(plan, block, sprites) for block in blocks]
    known: dict[str, tuple[int, ImageSet]] = {}
    strips = []
    for number, (row, content) in enumerate(metrics):
        block = blocks.index((row.target, row.shots))
        if f"{plan.root}/{row.images}" == plan.training_images(*blocks[block]):
            continue  # they stand above all rows
        common = {
            "block": block,
            "variant": row.label,
            "nfe": row.nfe,
            "seed": row.run.seed if row.run else None,
            "row": number,
        }
        strips += [common | strip for strip in _on_the_way(plan, row, content, sprites)]
        strips.append(common | _last(plan, row, content, known, sprites))
    return training, strips


def _training(plan: Plan, block: tuple[str, int | None], sprites: Sprites) -> dict:
    images = ImageSet.load(plan.training_images(*block)).images[: block[1] or SHOWN]
    return {"sprite": sprites.add(images), "count": len(images)}


def _last(
    plan: Plan,
    row: Row,
    content: dict,
    known: dict[str, tuple[int, ImageSet]],
    sprites: Sprites,
) -> dict:
    """Of the row's own image set; one that several rows share is one sprite."""
    if row.images not in known:
        images = ImageSet.load(f"{plan.root}/{row.images}")
        shown = shown_samples(images)
        kept = [images.captions[number] for number in shown] if images.captions else []
        pictures = images.images[shown]
        known[row.images] = (sprites.add(pictures), ImageSet(pictures, captions=tuple(kept)))
    sprite, images = known[row.images]
    found = content.get("shown", {})
    samples = found.get("samples") or list(range(len(images)))
    return {
        "updates": None,
        "sprite": sprite,
        "samples": samples,
        "prompts": _prompts(plan, images.captions),
        "neighbours": found.get("training", []),
        "again": redrawing(plan, row),
    }


def _on_the_way(plan: Plan, row: Row, content: dict, sprites: Sprites) -> Iterator[dict]:
    """Of the snapshots that the row's run kept, where their images were kept, too."""
    followed, snapshots = plan.followed_run(row), content["trajectory"]
    path = Path(f"{plan.root}/trajectories/{followed}.npz")
    if followed is None or not snapshots or not path.exists():
        return
    images = ImageSet.load(path).images
    if len(images) % len(snapshots):
        raise UserError(f"{path}: not as many images of each snapshot; make it again")
    samples = content.get("shown", {}).get("samples", [])
    for snapshot, pictures in zip(snapshots, np.split(images, len(snapshots)), strict=True):
        yield {
            "updates": snapshot["updates"],
            "sprite": sprites.add(pictures),
            "samples": samples or list(range(len(pictures))),
            "prompts": [],
            "neighbours": [],
            "again": redrawing(plan, row, snapshot["updates"]),
        }


def _prompts(plan: Plan, captions: Sequence[str]) -> list[str]:
    """Without the rare token, which tells a reader nothing."""
    settings = plan.config.personalisation
    if settings is None:
        return list(captions)
    return [without_token(caption, settings.rare_token) for caption in captions]
