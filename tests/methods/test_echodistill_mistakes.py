"""Mistakes in EchoDistill's settings are told in one clear line."""

import json
import re

import pytest

from unidad.errors import UserError
from unidad.methods.specs import load_spec, run_spec
from unidad.training.build import build_method


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"features": {"dino": "x"}}, "features: no 'clip', on which student and teacher are"),
        ({"features": {"clip": "x", "a.b": "y"}}, "features.a.b"),
        ({"echo_updates": 3}, "2 echo_rounds of 3 echo_updates do not fit into 4 student_upd"),
        ({"echo_filter": 0}, "echo_filter: Input should be greater than 0"),
        ({"nfe": 2}, "students draw in one step; variant.nfe is 2"),
        ({"texture": "vgg"}, "variant.texture: Input should be 'sliced_wasserstein' or 'lpips'"),
    ],
)
def test_unfit_options_are_one_clear_line(make_echo_spec, tmp_path, change, complaint):
    raw = json.loads(make_echo_spec().model_dump_json())
    raw["variant"] |= change
    (tmp_path / "spec.json").write_text(json.dumps(raw))
    with pytest.raises(UserError, match=re.escape(complaint)) as error:
        load_spec(tmp_path / "spec.json")
    assert len(str(error.value).splitlines()) == 1


def test_it_is_a_method_of_personalisation(make_echo_spec):
    spec = make_echo_spec()
    for text in (None, spec.text_to_image.model_dump() | {"prompts": None}):
        with pytest.raises(UserError, match=r"echodistill needs text_to_image\.prompts"):
            run_spec(spec.model_dump() | {"text_to_image": text}, "spec")


@pytest.mark.parametrize(
    ("prompts", "complaint"),
    [
        ({"class_word": "zebra", "target": "a prt zebra"}, "class_word 'zebra': 'zebra' is not on"),
        ({"rare_token": "xyz", "target": "a xyz cat"}, "rare_token 'xyz': 'xyz' is not one token"),
    ],
)
def test_words_that_the_tokenizer_splits_are_one_clear_line(make_echo_spec, prompts, complaint):
    words = {"class_word": "cat", "rare_token": "prt", "target": "a prt cat"} | prompts
    words["source"] = f"a {words['class_word']}"
    with pytest.raises(UserError, match=complaint):
        build_method(make_echo_spec(settings={"prompts": words}))


def test_a_missing_frozen_network_is_one_clear_line(make_echo_spec, tmp_path):
    features = {"clip": str(tmp_path / "nowhere")}
    with pytest.raises(UserError, match=r"nowhere/config\.json: no such file"):
        build_method(make_echo_spec(features=features))
