"""What `unidad adapt` chooses, and that it is an ordinary configuration."""

from pathlib import Path

import pytest
import yaml

from unidad.adapt.base import Base, find_base
from unidad.adapt.configuration import Wishes, choose, target_name, write
from unidad.adapt.hardware import Machine, savings
from unidad.adapt.nearness import Nearness
from unidad.errors import UserError
from unidad.experiment.load import load_config, parse_config
from unidad.plan import Plan

ADM, GIGABYTES = 552_800_000, 10**9
NEAR, NO_GPU = Nearness(0.05, 512), Machine()
FACES, SCENES = find_base(None, None), find_base(None, "cat")


def chosen(base=FACES, nearness=NEAR, machine=NO_GPU, **wishes):
    return choose(Wishes(Path("photos"), Path("out"), **wishes), base, 10, nearness, machine)


@pytest.mark.parametrize("share", [0.05, 0.0])
def test_near_or_far_goes_into_the_configuration_with_its_number(share):
    found = chosen(nearness=Nearness(share, 512))
    assert found.raw["targets"]["photos"]["near"] == (share > 0)
    assert any(f"{share:.1%} of 512" in line for line in found.reasons)
    config = parse_config(found.raw, "c")
    assert list(config.variants) == ["Uni-DAD"]
    assert config.variants["Uni-DAD"].nfe == 3
    assert config.targets["photos"].folder == str(Path("photos").resolve())


def test_steps_updates_and_crop_are_what_was_typed():
    config = parse_config(chosen(steps=2, updates=7, crop="smart", compare=True).raw, "c")
    assert config.targets["photos"].crop == "smart"
    assert [variant.nfe for variant in config.variants.values()] == [25, 2, 2, 2]
    assert {variant.training.student_updates for variant in config.variants.values()} == {7}


def test_compare_trains_the_two_stage_routes():
    found = parse_config(chosen(compare=True).raw, "c")
    assert [run.label for run in Plan(found).runs()] == ["FT", "DMD2-FT", "FT-DMD2", "Uni-DAD"]


def test_a_base_without_a_student_cannot_be_distilled_first(tmp_path):
    found = chosen(Base(tmp_path, False, False, 64), compare=True)
    assert "DMD2-FT" not in found.raw["variants"]
    assert any("DMD2-FT is left out" in line for line in found.reasons)
    assert parse_config(found.raw, "c").source_teacher == str(tmp_path)


def test_a_subject_has_its_word_and_draws_in_one_step(tmp_path):
    found = chosen(SCENES, None, class_word="cat")
    config = parse_config(found.raw, "c")
    assert (config.task, config.resolution) == ("personalisation", 32)
    assert config.targets["photos"].class_word == "cat"
    assert config.variants["Uni-DAD"].nfe == 1
    with pytest.raises(UserError, match="--steps: a text-to-image student draws in 1 step"):
        chosen(SCENES, None, class_word="cat", steps=3)
    large = parse_config(chosen(Base(tmp_path, False, True, 512), None, class_word="cat").raw, "c")
    assert large.source_student == str(tmp_path)
    assert large.personalisation.student_unet is None


def test_a_gpu_decides_precision_and_says_so():
    machine = Machine("Card", 80 * GIGABYTES, True)
    found = chosen(machine=machine)
    assert found.raw["training"]["bf16"] is True
    assert "Card, 80 GB, a network of 3 M parameters: bfloat16" in found.reasons
    assert chosen().raw["training"]["bf16"] is False


@pytest.mark.parametrize(
    ("memory", "has_8bit", "expected"),
    [
        (80, False, []),
        (44, False, ["ema_on_host"]),
        (40, False, ["ema_on_host", "gradient_checkpointing"]),
        (24, True, ["ema_on_host", "gradient_checkpointing", "offload_teachers", "adam_8bit"]),
    ],
)
def test_memory_is_saved_as_docs_memory_has_it_for_adm(memory, has_8bit, expected):
    """40.3 GB are computed there without savings, 17.2 GB with all."""
    assert savings(ADM, memory * GIGABYTES, has_8bit) == expected


def test_the_file_is_read_as_it_was_chosen_and_tells_why(tmp_path):
    found = chosen()
    write(found, tmp_path / "config.yaml", ["unidad", "adapt", "my photos"], ["snakemake", "-n"])
    text = (tmp_path / "config.yaml").read_text()
    assert text.startswith("# Written by: unidad adapt 'my photos'\n# near: 5.0% of 512")
    assert "\n# snakemake -n\n" in text
    assert yaml.safe_load(text) == found.raw | {"shots": [10], "seeds": [0]}
    assert load_config(tmp_path / "config.yaml") == parse_config(found.raw, "c")


@pytest.mark.parametrize(
    ("folder", "name"), [("My Photos", "my-photos"), ("source", "photos"), ("写真", "photos")]
)
def test_a_folder_s_name_becomes_a_target_s(folder, name):
    assert target_name(Path(folder)) == name
