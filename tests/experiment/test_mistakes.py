"""Every mistake in a configuration is one line: file and line, key, what is allowed or meant."""

import pytest

from unidad.errors import UserError
from unidad.experiment.load import load_config, parse_config
from unidad.plan import Plan

FACES = """\
experiment: x
targets: {babies: {domain: babies}}
variants:
  FT: {method: finetune, nfe: 25}
"""
SUBJECT = """\
experiment: x
targets: {mine: {folder: photos, class_word: WORD}}
variants: {FT: {method: finetune, nfe: 25}}
personalisation: {}
"""
CHANNELS = "[" + "32, " * 10 + "]"


@pytest.fixture
def line_of(tmp_path):
    """What is said of a configuration, without the name of its file."""

    def said(text):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(UserError) as error:
            Plan(load_config(tmp_path / "c.yaml")).specs()
        (line,) = str(error.value).splitlines()
        assert line.startswith(f"{tmp_path}/c.yaml")
        return line.removeprefix(f"{tmp_path}/c.yaml").removeprefix(", ")

    return said


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("folder: x, shots_files: [a.png]", "shots_files: 1 names, but 10 shots are asked for; na"),
        (
            "folder: x, shots_files: [a.png, a.png]",
            "shots_files: a.png stands twice; each counts once",
        ),
        ("domain: cats, shots_files: [a.png]", "'shots_files' goes with 'folder'"),
    ],
)
def test_shots_that_are_named(line_of, target, line):
    found = line_of(FACES.replace("domain: babies", target))
    assert "targets.babies" in found
    assert line in found


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("Source teacher: {method: finetune}", "the control 'Source teacher' has this label"),
        ("source-student: {method: finetune}", "the control 'Source student' has this label"),
        ("Held-out images: {method: finetune}", "the control 'Held-out images' has this label"),
        ("Training images: {method: finetune}", "the control 'Training images' has this label"),
        ("ft: {method: finetune}", "'ft' and 'FT' would both be 'ft' in paths; rename one"),
        ("online: {method: finetune}", "'online' is reserved, as source_teacher, source_student"),
        ("'--': {method: finetune}", "the label '--' has no letter and no digit"),
        ("A: {nfe: 3}", "method: this key is missing; give one of finetune, dmd2, unidad, echo"),
        (
            "A: {method: dmd3}",
            "method: Input should be one of finetune, dmd2, unidad, echo",
        ),
        ("A: {method: dmd3}", "found 'dmd3'; did you mean 'dmd2'?"),
        ("A: {method: dmd2, nfe: 3, teachr: FT}", "teachr: unknown key; did you mean 'teacher'?"),
        (
            "A: {method: dmd2, nfe: 1, training: {seed: 1}}",
            "training.seed: unknown key; known are student_",
        ),
        ("A: {method: dmd2, nfe: 3, extra_nfe: [1, 1]}", "extra_nfe: 1 stands twice; each counts"),
        ("A: {method: unidad, nfe: 3, dmd_target_share: x}", "should be a number or 'auto', found"),
        ("A: {method: finetune, student: FTT}", "student: 'FTT' is none of source_teacher, source"),
        (
            "A: {method: finetune, student: source_teachr}",
            "source_student, FT; did you mean 'source_teacher'?",
        ),
        (
            "A: {method: unidad, nfe: 3, target_teacher: onlin}",
            "target_teacher: 'onlin' is none of online, none, FT; did you mean 'online'?",
        ),
        ("A: {method: [1]}", "method: Input should be one of finetune, dmd2, unidad, echo"),
        ("A: {like: [1]}", "like: the label of another row, found [1]"),
        ("A: {method: finetune, nfe: 20000}", "nfe: Input should be less than or equal to 10000"),
        (f"{'x' * 101}: {{method: finetune}}", "xxx: 101 characters, at most 100"),
        ("A: {like: FTT}", "like: 'FTT' is none of FT; did you mean 'FT'?"),
    ],
)
def test_rows(line_of, row, line):
    found = line_of(f"{FACES}  {row}")
    assert found.startswith("line 5: variants.")
    assert line in found


@pytest.mark.parametrize("sign", ["\\a", "\\u202e", "\\u2028", "\\x85"])
def test_signs_that_no_table_can_hold(line_of, sign):
    found = line_of(f'{FACES}  "a{sign}b": {{method: finetune}}')
    shown = sign.replace("\\a", "\\x07")
    assert (
        found == f"line 5: variants: 'a{shown}b': a control character is in this text; leave it out"
    )


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("shots: [true]", "shots.0: Input should be a number, not true or false, found True"),
        ("shots: 5", "shots: Input should be a list, like [1, 2], found 5"),
        ("shots: [5, 5]", "shots: 5 stands twice; each counts once, found [5, 5]"),
        ("seeds: [0, 0]", "seeds: 0 stands twice; each counts once, found [0, 0]"),
        ("seeds: [-1]", "seeds.0: Input should be greater than or equal to 0, found -1"),
        ("seeds: [9223372036854775808]", "seeds.0: Input should be at most 9223372036854775807, f"),
        ("seeds: []", "seeds: Input should be a list of at least 1 item, found []"),
        ("diffusion: {sigma_min: 90}", "diffusion: sigma_min: 90 is not below sigma_max, 80"),
        ("diffusion: {sigma_max: .inf}", "diffusion.sigma_max: Input should be a finite number, f"),
        ("diffusion: {rho: .nan}", "diffusion.rho: Input should be a finite number, found nan"),
        ("training: {learning_rate: .inf}", "training.learning_rate: Input should be a finite"),
        (
            "diffusion: {student_sigma_max: 2, student_sigma_min: 3}",
            "diffusion.student_sigma_max: 2 is below student_sigma_min, 3 at 32x32",
        ),
        (
            "diffusion: {student_sigma_max: 0.05}",
            "diffusion.student_sigma_max: 0.05 is below student_sigma_min, 0.0625 at 32x32",
        ),
        (
            "diffusion: {spacing: timesteps}",
            "diffusion.spacing: timesteps are for the sect",
        ),
        (
            "diffusion: {levels: 10000000000}",
            "diffusion.levels: Input should be less than",
        ),
        ("diffusion: {sigma_max: 1.0e+300}", "diffusion.sigma_max: Input should be less than"),
        ("diffusion: {sigma_min: 1.0e-300}", "diffusion.sigma_min: Input should be greater"),
        ("diffusion: {rho: 1.0e-5}", "diffusion.rho: Input should be greater than or equal to 0.1"),
        (
            "diffusion: {spacing: lognormal, lognormal_mean: -7}",
            "diffusion: lognormal_mean: -7 is not between the logarithms of sigma_min and",
        ),
        ("training: {snapshots: 2000}", "training.snapshots: Input should be less than or equal"),
        ("evaluation: {samples: 2000000}", "evaluation.samples: Input should be less than or eq"),
        ("shots: [2000000]", "shots.0: Input should be less than or equal to 1000000, found 2000"),
        ("source: {babies: 0.6}", "source.babies: Input should be less than or equal to 0.5, f"),
        ("source: {sunglasses: 1.1}", "source.sunglasses: Input should be less than or equal to 1"),
        ("training: {batch_size: 1000000000000}", "training.batch_size: Input should be less than"),
        ("training: {beta1: 1}", "training.beta1: Input should be less than 1, found 1"),
        ("network: {channels: []}", "network.channels: Input should be a list of at least 1 item"),
        ("feature_network: ''", "feature_network: Input should be a text that is not empty, found"),
        ("source: {folder: ''}", "source.folder: Input should be a text that is not empty, found"),
        (
            'source_teacher: "a\\0b"',
            r"source_teacher: 'a\x00b': a control character is in this text; leave it out",
        ),
        ("sede: 1", "sede: unknown key; did you mean 'seeds'?"),
        ("qqqq: 1", "qqqq: unknown key; known are experiment, protocol, resolution, data_seed"),
        ("source_student: train", "source_student: few-shot generation trains it as a row of its"),
    ],
)
def test_settings(line_of, more, line):
    assert line_of(FACES + more).startswith(f"line 5: {line}")


def test_blocks_that_an_image_is_too_small_for(line_of):
    text = f"{FACES}source_teacher: train\nnetwork: {{channels: {CHANNELS}}}"
    assert line_of(text) == (
        "line 6: network.channels: 10 blocks halve an image 9 times, which 16x16 pixels "
        "(resolution 32 by unshuffle 2) cannot be; give fewer"
    )


@pytest.mark.parametrize(
    ("word", "token", "line"),
    [
        ("''", "prt", "line 2: targets.mine.class_word: Input should be a text that is not empty"),
        (
            "cat",
            "''",
            "line 4: personalisation.rare_token: Input should be one word, found ''",
        ),
        (
            "cat",
            "cat",
            "line 4: personalisation.rare_token: 'cat' is in 'a cat', the class",
        ),
        (
            "prt",
            "prt",
            "line 4: personalisation.rare_token: 'prt' is in 'a prt', the class",
        ),
        ("cat", "a b", "line 4: personalisation.rare_token: Input should be one word, found 'a b'"),
    ],
)
def test_words(line_of, word, token, line):
    text = SUBJECT.replace("WORD", word).replace("n: {}", f"n: {{rare_token: {token}}}")
    assert line_of(text).startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            f"{FACES}  1: {{method: finetune}}",
            "line 3: variants.1: Input should be a text: put this key in quotes, found 1",
        ),
        ("", ": expected a mapping of keys, found nothing"),
        (
            FACES.replace("{babies:", "{B: {domain: cats}, b:"),
            "line 2: targets.b: 'b' and 'B' differ in capitals alone; rename one",
        ),
        ("3", ": expected a mapping of keys, found a number"),
        ("- 1", ": expected a mapping of keys, found a list"),
        (
            FACES.replace("x\n", "x y\n", 1),
            "line 1: experiment: Input should be a name of letters, digits, _, - and ., not first "
            "a sign, found 'x y'",
        ),
    ],
)
def test_files(line_of, text, line):
    assert line_of(text) == line


def test_a_line_of_the_extended_file_is_told(tmp_path):
    (tmp_path / "base.yaml").write_text(FACES + "training: {batch_size: 0}")
    (tmp_path / "own.yaml").write_text("extends: base.yaml\nexperiment: y\ntraining:\n  beta1: 2")
    with pytest.raises(UserError) as error:
        load_config(tmp_path / "own.yaml")
    lines = str(error.value).splitlines()
    places = [line.removeprefix(f"{tmp_path}/").partition(": Input")[0] for line in lines]
    assert sorted(places) == [
        "base.yaml, line 5: training.batch_size",
        "own.yaml, line 4: training.beta1",
    ]


def test_a_mapping_that_was_no_file_has_no_lines():
    with pytest.raises(UserError, match=r"^configuration: experiment: this key is missing$"):
        parse_config({"targets": {"a": {"domain": "cats"}}} | {"variants": FT}, "configuration")


FT = {"FT": {"method": "finetune"}}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("rows: [FTT]", "tables.t.rows.FTT: FTT is none of FT, Source teacher, Source student, H"),
        ("rows: {a: {variant: ft}}", "tables.t.rows.a: ft is none of FT, Source teacher, Source"),
        ("rows: {a: {variant: FT, nfe: 3}}", "tables.t.rows.a.nfe: FT is measured at 25; put 3 in"),
        ("rows: {a: {variants: FT}}", "tables.t.rows.a.variants: unknown key"),
        ("rows: []", "tables.t.rows: Input should be a list of at least 1 item"),
        ("metrics: [recal]", "tables.t.metrics: recal is none of frechet_distance, "),
        ("metrics: [recal]", "; did you mean 'recall'?"),
        ("targets: [cats]", "tables.t.targets: cats is none of babies"),
        ("shots: [5]", "tables.t.shots: 5 is none of 10"),
        ("seeds: [1]", "tables.t.seeds: 1 is none of 0"),
        ("memory_baseline: X", "tables.t.memory_baseline: X is none of FT"),
        ("headings: H", "tables.t.headings: unknown key; did you mean 'heading'?"),
    ],
)
def test_tables(line_of, given, line):
    parts = {"rows": "rows: [FT]", "metrics": "metrics: [recall]"}
    parts |= {given.partition(":")[0]: given}
    text = FACES + f"tables: {{t: {{heading: H, {', '.join(parts.values())}}}}}"
    found = line_of(text)
    assert found.startswith("line 5: ")
    assert line in found


def test_a_table_is_not_named_as_another_file_is(line_of):
    table = "{heading: H, rows: [FT], metrics: [recall]}"
    assert "'all' is the name of another file" in line_of(FACES + f"tables: {{all: {table}}}")


def test_a_table_shows_no_training_on_the_source(line_of):
    rows = "  D: {method: dmd2, nfe: 3, domain: source}\n"
    table = "tables: {t: {heading: H, rows: [D], metrics: [recall]}}"
    assert "D is trained on the source; tables show targets" in line_of(FACES + rows + table)
