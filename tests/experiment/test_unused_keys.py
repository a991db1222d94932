import pytest

from unidad.errors import UserError
from unidad.experiment.load import parse_config

FT = {"FT": {"method": "finetune", "nfe": 25}}
DOMAIN = {"targets": {"babies": {"domain": "babies"}}, "variants": FT}
SUBJECT = {"targets": {"cat": {"subject": "cat"}}, "variants": FT, "personalisation": {}}


@pytest.mark.parametrize(
    ("base", "changes", "line"),
    [
        (DOMAIN, {"source_student": "train"}, "source_student: few-shot generation trains it as a"),
        (SUBJECT, {"evaluation": {"samples": 99}}, "evaluation.samples: personalisation does not"),
        (SUBJECT, {"evaluation": {"reference_images": 99}}, "evaluation.reference_images: person"),
        (SUBJECT, {"intra_lpips": {"members": 9}}, "intra_lpips: personalisation does not"),
        (SUBJECT, {"network": {"layers": 2}}, "network: personalisation does not use this key"),
        (SUBJECT, {"diffusion": {"sigma_max": 20}}, "diffusion.sigma_max: personalisation does"),
        (SUBJECT, {"diffusion": {"spacing": "karras"}}, "diffusion.spacing: personalisation has"),
        (SUBJECT, {"published_features": {}}, "published_features: personalisation does not"),
        (SUBJECT, {"source_training": {}}, "source_training: personalisation does not use"),
        (SUBJECT, {"source": {"babies": 0.1}}, "source.babies: personalisation does not use this"),
        (SUBJECT, {"feature_network": "published"}, "shipped or train, found 'published'"),
        (
            SUBJECT,
            {"targets": {"cat": {"subject": "cat", "near": True}}},
            "targets.cat.near: personalisation does not use this key; few-shot generation would",
        ),
        (
            DOMAIN,
            {"variants": {"FT": FT["FT"] | {"distillation": {"heads": "none"}}}},
            "variants.FT.distillation: method finetune does not use this key; dmd2 and unidad wou",
        ),
        (
            DOMAIN,
            {"variants": {"D": {"method": "dmd2", "nfe": 3, "sampler": "ddim"}}},
            "variants.D.sampler: method dmd2 does not use this key; finetune would",
        ),
        (
            SUBJECT,
            {"variants": {"D": {"method": "dmd2", "nfe": 1, "extra_nfe": [1, 3]}}},
            "variants.D.extra_nfe: text-to-image students draw in one step, found 3",
        ),
    ],
)
def test_a_key_that_nobody_here_uses_is_refused_in_one_line(base, changes, line):
    with pytest.raises(UserError) as error:
        parse_config({"experiment": "x"} | base | changes, "c")
    assert line in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_what_the_task_uses_is_not():
    for base in (DOMAIN, SUBJECT):
        assert parse_config({"experiment": "x", "evaluation": {"source_nfe": 3}} | base, "c")
