"""docs/iteration.md names code that is there."""

import re
from pathlib import Path

from unidad import losses
from unidad.diffusion import samplers
from unidad.methods import base, dmd2, unidad
from unidad.networks import backbone, discriminator, models
from unidad.training import loop, optimisers

PAGE = (Path(__file__).parents[2] / "docs" / "iteration.md").read_text()
MODULES = (losses, samplers, base, dmd2, unidad, backbone, discriminator, models, loop, optimisers)
NAME = r"\b(?:Dmd2|UniDad|Method|Trainer|Backbone|MultiHead|StepOutput|losses)\.[a-z_]+"


def test_names_of_the_page_are_in_the_code():
    named = set(re.findall(NAME, PAGE)) - {"losses.py"}
    assert len(named) > 15
    known = {"losses": losses} | {name: value for m in MODULES for name, value in vars(m).items()}
    missing = [name for name in named if not hasattr(known[name.split(".")[0]], name.split(".")[1])]
    assert missing == []
    for function in ("few_step_trajectory", "update_average", "Models", "frozen", "INNER_LEVELS"):
        assert function in PAGE
        assert function in known


def test_files_that_the_page_links_are_there():
    for path in re.findall(r"\]\((\.\./[^)]+|[a-z]+\.md)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / path).is_file(), path
