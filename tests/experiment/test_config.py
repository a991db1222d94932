import json
from pathlib import Path

import pytest
import yaml

from unidad.config.names import slug
from unidad.errors import UserError
from unidad.experiment.config import Config
from unidad.experiment.load import load_config, parse_config
from unidad.experiment.schema import schema

ROOT = Path(__file__).parents[2]
SHIPPED = [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))]


def minimal(**changes):
    raw = {
        "experiment": "x",
        "targets": {"babies": {"domain": "babies", "near": True}},
        "variants": {"FT": {"method": "finetune", "nfe": 25}},
    }
    return raw | changes


def error_of(raw):
    with pytest.raises(UserError) as caught:
        parse_config(raw, "config.yaml")
    return str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path):
    assert load_config(path).variants


def test_schema_in_the_repository_is_in_step():
    assert (ROOT / "workflow/schemas/config.schema.json").read_text() == schema()


def test_every_field_is_documented():
    described = json.loads(schema())
    for section in [described, *described["$defs"].values()]:
        for name, field in section.get("properties", {}).items():
            assert "description" in field or "$ref" in field or name == "method", name


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"sede": 1}, "config.yaml: sede: unknown key"),
        ({"training": {"learning_rat": 1e-4}}, "config.yaml: training.learning_rat: unknown key"),
        (
            {"variants": {"FT": {"method": "finetune", "nfe": 25, "training": {"batchsize": 1}}}},
            "config.yaml: variants.FT.training.batchsize: unknown key",
        ),
        (
            {"variants": {"A": {"method": "dmd3", "nfe": 3}}},
            "variants.A.method: Input should be one of finetune, dmd2, unidad, echodistill, consi",
        ),
        ({"training": {"batch_size": 0}}, "config.yaml: training.batch_size: Input should be"),
        (
            {"variants": {"A": {"method": "finetune", "nfe": 4, "sampler": "heun"}}},
            "config.yaml: variants.A: sampler heun needs an odd nfe, found 4",
        ),
        ({"resolution": 40}, "config.yaml: resolution: Input should be a multiple of 16, found 40"),
        ({"targets": {"babies": {}}}, "give one of 'domain', 'subject' (synthetic) and 'folder'"),
        ({"targets": {"source": {"domain": "cats"}}}, "'source' is not usable as a name"),
        (
            {"variants": {"B": {"method": "finetune", "nfe": 3, "student": "Nobody"}}},
            "variants.B.student: 'Nobody' is none of source_teacher, source_student",
        ),
    ],
)
def test_a_mistake_is_one_line_with_key_and_reason(changes, line):
    message = error_of(minimal(**changes))
    assert line in message
    assert len(message.splitlines()) == 1


def test_several_mistakes_are_a_line_each():
    message = error_of(minimal(resolution=40, shots=[0]))
    assert len(message.splitlines()) == 2
    assert "shots.0" in message


def test_a_run_cannot_start_from_itself():
    a = {"method": "finetune", "nfe": 3, "student": "B"}
    b = {"method": "finetune", "nfe": 3, "student": "A"}
    assert "starts from itself" in error_of(minimal(variants={"A": a, "B": b}))


def test_a_source_run_cannot_start_from_a_target_run():
    variants = {
        "FT": {"method": "finetune", "nfe": 25},
        "D": {"method": "dmd2", "nfe": 3, "domain": "source", "teacher": "FT"},
    }
    assert "'FT' is not trained on the source" in error_of(minimal(variants=variants))


GAN_ONLY = {"method": "unidad", "nfe": 3, "dmd_source": False, "target_teacher": "none"}


@pytest.mark.parametrize(
    ("variant", "line"),
    [
        (GAN_ONLY | {"distillation": {"gan_gradient_ratio": 0.5}}, "no DMD gradient to balance"),
        (
            {"method": "unidad", "nfe": 3, "dmd_source": False, "dmd_target_share": 0}
            | {"distillation": {"gan_gradient_ratio": 0.5}},
            "no DMD gradient to balance",
        ),
        (GAN_ONLY | {"distillation": {"heads": "none"}}, "the student has no loss"),
        (
            {"method": "unidad", "nfe": 3, "target_teacher": "none", "dmd_target_share": 1},
            "1.0 without a target teacher",
        ),
    ],
)
def test_a_student_without_a_loss_is_refused(variant, line):
    assert line in error_of(minimal(variants={"U": variant}))


def test_gan_alone_with_a_fixed_weight_is_allowed():
    assert parse_config(minimal(variants={"U": GAN_ONLY}), "c")


def test_the_full_experiment_differs_from_the_default_where_it_says():
    default, full = (load_config(ROOT / name) for name in ("config.yaml", "configs/full.yaml"))
    different = {key for key, value in default if value != getattr(full, key)}
    assert different == {
        *("experiment", "targets", "shots", "seeds", "variants", "tables"),
    }


def test_variants_inherit_and_override_the_top_level():
    raw = minimal(
        training={"batch_size": 4, "learning_rate": 1e-5},
        distillation={"gan_loss": "hinge"},
        variants={
            "FT": {"method": "finetune", "nfe": 25, "training": {"batch_size": 16}},
            "U": {"method": "unidad", "nfe": 3, "distillation": {"heads": "single"}},
        },
    )
    config = parse_config(raw, "c")
    assert config.variants["FT"].training.batch_size == 16
    assert config.variants["FT"].training.learning_rate == 1e-5
    assert config.variants["U"].training.batch_size == 4
    assert config.variants["U"].distillation.gan_loss == "hinge"
    assert config.variants["U"].distillation.heads == "single"


def test_a_resolved_configuration_reads_back_as_itself():
    config = load_config(ROOT / "config.yaml")
    again = Config.model_validate(yaml.safe_load(config.model_dump_json()))
    assert again == config


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(UserError, match="no such configuration file"):
        load_config(tmp_path / "nothing.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1,\nb: }")
    with pytest.raises(UserError, match=r"bad.yaml, line 2: not valid YAML") as caught:
        load_config(tmp_path / "bad.yaml")
    assert len(str(caught.value).splitlines()) == 1
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(UserError, match="expected a mapping"):
        load_config(tmp_path / "list.yaml")


def test_slug():
    assert slug("Uni-DAD (no target teacher)") == "uni-dad-no-target-teacher"


HASH = "0" * 64


@pytest.mark.parametrize(
    ("given", "url", "inside"),
    [
        ("photos.zip", "photos.zip", ""),
        ("data/PHOTOS.TAR.GZ", "data/PHOTOS.TAR.GZ", ""),
        ("file:///data/photos", "file:///data/photos", ""),
        ({"url": "photos", "inside": "a/b"}, "photos", "a/b"),
        ({"url": "https://server/a.zip", "sha256": HASH}, "https://server/a.zip", ""),
    ],
)
def test_archives_by_path_and_by_address(given, url, inside):
    config = parse_config(minimal(targets={"mine": {"folder": given}}), "c")
    archive = config.targets["mine"].folder
    assert (archive.url, archive.inside) == (url, inside)
    assert archive.is_remote == url.startswith("https")
    again = parse_config(json.loads(config.model_dump_json(exclude_unset=True)), "c")
    assert again == config


def test_a_folder_is_a_path():
    config = parse_config(minimal(targets={"mine": {"folder": "my.zip.d/photos"}}), "c")
    assert config.targets["mine"].folder == "my.zip.d/photos"


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("https://server/a.zip", "mine.folder: a download needs its hash: {url: https://server/a"),
        ({"url": "https://server/a.zip"}, "targets.mine.folder: a download needs its hash"),
        ("s3://bucket/a.zip", "targets.mine.folder: s3://bucket/a.zip: only http, https and file"),
        (
            {"url": "a.zip", "sha256": "12"},
            "targets.mine.folder.sha256: Input should be a SHA-256: 64 digits",
        ),
        ({"url": "a.zip", "folder": "x"}, "targets.mine.folder.folder: unknown key"),
        ({"inside": "x"}, "targets.mine.folder.url: this key is missing"),
        (7, "targets.mine.folder: Input should be"),
    ],
)
def test_a_mistake_in_an_archive_is_one_line(folder, line):
    message = error_of(minimal(targets={"mine": {"folder": folder}}))
    assert line in message
    assert len(message.splitlines()) == 1


def test_rendered_images_have_a_largest_resolution():
    mine = {"mine": {"folder": "photos"}}
    line = "resolution: 144, but targets.babies is rendered, with at most 128; lower it, or give"
    assert line in error_of(minimal(resolution=144))
    on_source = {"DMD2": {"method": "dmd2", "domain": "source", "nfe": 3}}
    asked = minimal(resolution=256, targets=mine, variants=on_source)
    assert "256, but source is rendered, with at most 128" in error_of(asked)
    fine = parse_config(asked | {"source": {"folder": "faces", "images": 7}}, "c")
    assert (fine.resolution, fine.source.images) == (256, 7)
    assert parse_config(minimal(resolution=512, targets=mine), "c").resolution == 512
    assert "512, found 528" in error_of(minimal(resolution=528, targets=mine))
    assert "'reference' goes with 'folder'" in error_of(minimal(source={"reference": "x"}))
