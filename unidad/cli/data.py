"""Verbs that prepare images."""

from __future__ import annotations

import argparse
from inspect import signature
from pathlib import Path

from unidad.cli.common import Verbs, add_verb, read_settings
from unidad.errors import UserError


def add_verbs(verbs: Verbs) -> None:
    """Add this module's verbs, in the order of the help."""
    _add_fetch(verbs)
    _add_unpack(verbs)
    _add_prepare(verbs)
    _add_contact_sheet(verbs)


def _add_fetch(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "fetch",
        _fetch,
        "download a file: resumed where a connection broke, and checked against its SHA-256",
        "fetch https://server.example/babies.zip --out data/babies.zip",
    )
    parser.add_argument("address", help="http, https or file address")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--sha256", help="what it must be (default: any; it is printed)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _fetch(options: argparse.Namespace) -> None:
    from unidad.data.fetch import fetch

    found = fetch(options.address, options.out, options.sha256, not options.quiet)
    print(f"{options.out}: sha256 {found}")


def _add_unpack(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "unpack",
        _unpack,
        "unpack the images of a zip or tar archive into one folder",
        "unpack data/afhq.zip --inside afhq/train/cat --out data/cats",
    )
    parser.add_argument("archive", nargs="?", help=".zip, .tar, .tar.gz, .tar.bz2 or .tar.xz")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--settings", type=Path, help="JSON with archive, sha256, inside")
    parser.add_argument("--inside", help="folder of the archive (default: all of it)")
    parser.add_argument("--sha256", help="what the archive must be (default: any)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _unpack(options: argparse.Namespace) -> None:
    from unidad.data.archive import unpack_images
    from unidad.data.fetch import check_sha256

    keys = ("archive", "sha256", "inside")
    settings = dict.fromkeys(keys) | read_settings(options.settings, keys)
    settings |= {key: getattr(options, key) for key in keys if getattr(options, key) is not None}
    if settings["archive"] is None:
        raise UserError("which archive? give its path")
    archive = Path(settings["archive"])
    if settings["sha256"] is not None:
        check_sha256(archive, settings["sha256"])
    count = unpack_images(archive, options.out, settings["inside"] or "", not options.quiet)
    print(f"{options.out}: {count} images")


def _add_prepare(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "prepare",
        _prepare,
        "prepare images: a synthetic domain, or a folder of your own",
        "prepare --folder my-photos --shots 5 10 --out data/mine",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--settings", type=Path, help="JSON with the keys below, see `unidad plan`")
    parser.add_argument("--domain", help="faces, babies, sunglasses, portraits, cats or scenes")
    parser.add_argument("--folder", help="your own images")
    parser.add_argument("--reference", help="held-out images of the same kind, to measure against")
    parser.add_argument("--shots", type=int, nargs="+", help="sizes of the training sets")
    parser.add_argument("--resolution", type=int, help="of the images, in pixels (default 32)")
    parser.add_argument("--seed", type=int, help="of the renderer (default 0)")
    parser.add_argument("--images", type=int, help="size of the source set (faces or scenes)")
    parser.add_argument("--babies", type=float, help="share of baby-like source faces")
    parser.add_argument("--sunglasses", type=float, help="share of source faces with sunglasses")
    parser.add_argument("--reference-images", type=int, help="held-out images (default 5000)")


def _prepare(options: argparse.Namespace) -> None:
    from unidad.data.prepare import prepare

    settings = read_settings(options.settings, list(signature(prepare).parameters)[1:])
    given = ("domain", "folder", "reference", "shots", "resolution", "seed", "images")
    given += ("babies", "sunglasses", "reference_images")
    settings |= {key: getattr(options, key) for key in given if getattr(options, key) is not None}
    manifest = prepare(options.out, **settings)
    print(f"{options.out}: {', '.join(manifest['files'])}")


def _add_contact_sheet(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "contact-sheet",
        _contact_sheet,
        "show several prepared folders on one contact sheet",
        "contact-sheet data/babies data/cats --out data",
    )
    parser.add_argument("folders", type=Path, nargs="+", help="prepared folders")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")


def _contact_sheet(options: argparse.Namespace) -> None:
    from unidad.data.prepare import prepare_overview

    prepare_overview(options.out, options.folders)
