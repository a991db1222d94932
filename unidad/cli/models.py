"""Verbs that put models and networks in place, import them, and tell what they hold."""

from __future__ import annotations

import argparse
from pathlib import Path

from unidad.cli.common import (
    Verbs,
    add_settings,
    add_verb,
    command_line,
    given_settings,
    section_of,
)
from unidad.models.recipes import AdmImport, Placing


def add_verbs(verbs: Verbs) -> None:
    """Add this module's verbs, in the order of the help."""
    _add_place(verbs)
    _add_import_adm(verbs)
    _add_check_model(verbs)


def _add_place(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "place",
        _place,
        "check a model, or a network that images are measured with, and put it in place",
        "place shipped:synthetic-faces-source --out models/source_teacher",
    )
    add_settings(parser, Placing, positional="origin")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")


def _place(options: argparse.Namespace) -> None:
    from unidad.models.place import place

    settings = section_of(Placing, options, given_settings(options, Placing))
    place(settings, options.out, command_line())


def _add_import_adm(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "import-adm",
        _import_adm,
        "import an unconditional guided-diffusion (ADM) checkpoint as a model folder",
        "import-adm ffhq.pt --out models/ffhq",
    )
    parser.add_argument("checkpoint", type=Path, help="state dict: .pt or .safetensors")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    add_settings(parser, AdmImport)


def _import_adm(options: argparse.Namespace) -> None:
    from unidad.models.adm import import_adm

    settings = section_of(AdmImport, options, given_settings(options, AdmImport))
    import_adm(options.checkpoint, options.out, settings, command_line())


def _add_check_model(verbs: Verbs) -> None:
    parser = add_verb(
        verbs,
        "check-model",
        _check_model,
        "check a model folder or a guided-diffusion checkpoint, and print what it holds",
        "check-model models/ffhq",
    )
    parser.add_argument("model", type=Path, help="model folder, .pt or .safetensors")


def _check_model(options: argparse.Namespace) -> None:
    from unidad.networks.describe import describe_model

    for name, fact in describe_model(options.model).items():
        print(f"{name}: {fact}")
