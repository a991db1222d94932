import pytest
import yaml

from unidad.errors import UserError
from unidad.experiment.load import load_config

BASE = {
    "experiment": "base",
    "targets": {"babies": {"domain": "babies"}, "cats": {"domain": "cats"}},
    "training": {"batch_size": 4, "student_updates": 70},
    "variants": {
        "FT": {"method": "finetune", "nfe": 25, "training": {"learning_rate": 0.5}},
        "U": {"method": "unidad", "nfe": 3, "distillation": {"gan_loss": "hinge"}},
    },
}


@pytest.fixture
def load(tmp_path):
    """Write experiments by file name, and load the last."""

    def write(**files):
        for name, raw in files.items():
            file = tmp_path / name.replace("__", "/")
            file.parent.mkdir(exist_ok=True)
            file.with_suffix(".yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
        return load_config(file.with_suffix(".yaml"))

    return write


def test_an_experiment_is_the_lines_in_which_it_differs(load):
    own = {"extends": "../base.yaml", "experiment": "own", "training": {"batch_size": 2}}
    config = load(base=BASE, configs__own=own)
    assert config.experiment == "own"
    assert list(config.targets) == ["babies", "cats"]
    assert (config.training.batch_size, config.training.student_updates) == (2, 70)
    assert config.variants["FT"].training.batch_size == 2
    assert config.variants["FT"].training.learning_rate == 0.5


def test_targets_and_variants_are_replaced_whole(load):
    mine = {"mine": {"folder": "photos"}}
    own = {"extends": "base.yaml", "experiment": "own", "targets": mine}
    config = load(base=BASE, own=own | {"variants": {"FT": {"like": "FT", "nfe": 9}}})
    assert list(config.targets) == ["mine"]
    assert list(config.variants) == ["FT"]
    assert (config.variants["FT"].nfe, config.variants["FT"].training.learning_rate) == (9, 0.5)


def test_tables_go_with_the_variants_they_show(load):
    table = {"heading": "H", "rows": ["U"], "metrics": ["recall"]}
    own = {"extends": "base.yaml", "experiment": "own"}
    base = BASE | {"tables": {"first": table}}
    assert list(load(base=base, own=own).tables) == ["first"]
    others = own | {"variants": {"FT": {"like": "FT"}}}
    assert load(base=base, own=others).tables == {}
    tables = {"mine": table | {"rows": ["FT"]}}
    assert list(load(base=base, own=others | {"tables": tables}).tables) == ["mine"]


def test_a_row_may_be_like_another_of_its_file(load):
    variants = BASE["variants"] | {
        "hinge": {"like": "U", "distillation": {"heads": "single"}},
        "third": {"like": "hinge", "nfe": 2},
    }
    third = load(base=BASE | {"variants": variants}).variants["third"]
    assert (third.method, third.nfe) == ("unidad", 2)
    assert (third.distillation.gan_loss, third.distillation.heads) == ("hinge", "single")


def test_files_extend_files(load):
    middle = {"extends": "base.yaml", "experiment": "middle", "shots": [3]}
    last = {"extends": "middle.yaml", "experiment": "last", "seeds": [7]}
    config = load(base=BASE, middle=middle, last=last)
    assert (config.shots, config.seeds, config.training.batch_size) == ((3,), (7,), 4)


@pytest.mark.parametrize(
    ("own", "line"),
    [
        ({"extends": "base.yaml"}, "own.yaml: experiment: this key is missing"),
        ({"extends": "none.yaml", "experiment": "x"}, "none.yaml: no such configuration file"),
        ({"extends": "own.yaml", "experiment": "x"}, "extends: own.yaml leads back to itself"),
        ({"extends": 3, "experiment": "x"}, "extends: the path of a configuration file, found 3"),
        (
            {"extends": "base.yaml", "experiment": "x", "variants": {"A": {"like": "B"}}},
            "own.yaml, line 5: variants.A.like: 'B' is none of FT, U",
        ),
        (
            BASE | {"variants": {"A": {"like": "B"}, "B": {"like": "A"}}},
            "variants.B.like: 'A' is like this one",
        ),
        (
            {"extends": "base.yaml", "experiment": "x", "variants": {"A": {"like": "FT", "a": 1}}},
            "own.yaml, line 6: variants.A.a: unknown key",
        ),
    ],
)
def test_mistakes_are_one_line(load, own, line):
    with pytest.raises(UserError) as error:
        load(base=BASE, own=own)
    assert line in str(error.value)
    assert len(str(error.value).splitlines()) == 1
