"""Verbs that prepare images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from unidad.cli.common import Verbs, add_settings, add_verb, given_settings, section_of
from unidad.config.section import Section
from unidad.data.recipes import LfwTarget, OwnSource, OwnTarget, Unpacking
from unidad.errors import UserError
from unidad.synthetic.data_recipes import CaptionedScenes, Faces, FaceTarget, Subject

KINDS = (Faces, CaptionedScenes, FaceTarget, Subject, LfwTarget, OwnTarget, OwnSource)
"""Of data folders."""


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
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    add_settings(parser, Unpacking, positional="archive")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _unpack(options: argparse.Namespace) -> None:
    from unidad.data.archive import unpack_images
    from unidad.data.fetch import check_sha256

    given = given_settings(options, Unpacking)
    if "archive" not in given:
        raise UserError("which archive? give its path")
    settings = section_of(Unpacking, options, given)
    archive = Path(settings.archive)
    if settings.sha256 is not None:
        check_sha256(archive, settings.sha256)
    count = unpack_images(archive, options.out, settings.inside, not options.quiet)
    print(f"{options.out}: {count} images")


def _add_prepare(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "prepare",
        _prepare,
        "prepare images: a synthetic domain or subject, or a folder of your own",
        "prepare --folder my-photos --shots 5 10 --out data/mine",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    add_settings(parser, *KINDS)


def _prepare(options: argparse.Namespace) -> None:
    given = given_settings(options, *KINDS)
    kind = _kind_of(given)
    for key in given:
        if key not in kind.model_fields:
            known = ", ".join(kind.model_fields)
            raise UserError(f"{key}: unknown key of this kind of folder; known are {known}")
    manifest = _writer(kind)(options.out, section_of(kind, options, given))
    print(f"{options.out}: {', '.join(manifest['files'])}")


def _kind_of(given: dict[str, Any]) -> type[Section]:
    """Which folder is described.

    Raises:
        UserError: not one of domain, subject and folder is given.
    """
    origins = {key: given.get(key) for key in ("domain", "subject", "folder")}
    if sum(origin is not None for origin in origins.values()) != 1:
        found = ", ".join(f"{key} {origin}" for key, origin in origins.items())
        raise UserError(f"give one of a domain, a subject and a folder of images; found {found}")
    if origins["subject"] is not None:
        return Subject
    if origins["folder"] is not None:
        return OwnSource if "images" in given else OwnTarget
    kinds = {"faces": Faces, "scenes": CaptionedScenes, "lfw": LfwTarget}
    return kinds.get(origins["domain"], FaceTarget)


def _writer(kind: type[Section]) -> Any:
    """The function that fills a folder of the kind; rendering needs libraries that are slow."""
    if kind in (OwnTarget, OwnSource):
        from unidad.data import own_images

        return own_images.prepare_target if kind is OwnTarget else own_images.prepare_source
    if kind is LfwTarget:
        from unidad.data.lfw import prepare_lfw

        return prepare_lfw
    from unidad.synthetic import rendered

    return {
        Faces: rendered.prepare_faces,
        CaptionedScenes: rendered.prepare_scenes,
        FaceTarget: rendered.prepare_face_target,
        Subject: rendered.prepare_subject,
    }[kind]


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
    from unidad.data.prepared import write_overview

    write_overview(options.out, options.folders)
