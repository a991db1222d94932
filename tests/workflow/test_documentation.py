"""What the pages tell to type runs: for real where that is brief, else as a dry run."""

import shlex
import shutil
import subprocess
import sys
from itertools import pairwise

import pytest
import yaml
from checkouts import ENVIRONMENT, ROOT, snakemake
from documentation import PAGES, changed, commands, fences, fragments
from snakemake.cli import parse_args

from unidad.cli import _parser, main
from unidad.experiment.load import parse_config

pytestmark = pytest.mark.workflow
COMMANDS = commands()
RUN = {  # for real, in a fresh clone: something of what each says there
    "unidad plan": "babies/shots10/ft/seed0: finetune",
    "unidad plan --summary": "disk: images and features",
    "unidad plan --write": "specifications written or changed",
    "unidad plan --config configs/paper_fsig.yaml --summary": "under results/paper_fsig/",
    "unidad doctor": "configuration: config.yaml",
    "unidad doctor --config configs/paper_fsig.yaml": "configuration: configs/paper_fsig.yaml",
    "unidad doctor --config my.yaml": "photos/mycat",
    "unidad schema": "source_teacher",
}
ELSEWHERE = {  # programs that no test here starts
    "accelerate": "tests/training/test_several_processes.py starts several processes",
    "dvc": "tests/workflow/test_dvc.py runs DVC",
    "git": "changes a clone",
    "hf": "downloads",
    "pip": "downloads",
    "pytest": "is what runs this",
    "python": "a long measurement, whose parts tests/test_benchmarks.py runs, or a verb",
    "tensorboard": "a server",
    "torchrun": "tests/training/test_several_processes.py starts several processes",
}


def of(program):
    """The calls of a program, shown as they are typed; `accelerate launch -m unidad`, too."""
    found = [w for w in COMMANDS if w[0] == program or ("-m", program) in pairwise(w)]
    return [pytest.param(list(words), id=shlex.join(words)) for words in found]


@pytest.fixture(scope="module")
def written(checkout):
    """A clone with the configurations that the pages have the user write."""
    (own,) = (told for page, told in fragments() if page == "README.md")
    (subject,) = (told for page, told in fragments() if page == "personalisation.md")
    for name, start, told in (
        ("configs/mine.yaml", "config.yaml", own),
        ("my.yaml", "configs/sdp.yaml", {"experiment": "experiment"} | subject),
    ):
        raw = yaml.safe_load((checkout / start).read_text()) | told
        (checkout / name).write_text(yaml.safe_dump(raw, sort_keys=False))
    return checkout


def test_every_program_is_run_here_or_elsewhere():
    programs = {next(word for word in words if "=" not in word) for words in COMMANDS}
    assert programs == {*ELSEWHERE, "make", "snakemake", "unidad"}
    assert {shlex.join(words) for words in COMMANDS} >= RUN.keys()


@pytest.mark.parametrize("words", of("unidad"))
def test_verbs_and_options_are_those_of_the_command_line(words):
    words = words[words.index("unidad") + 1 :]
    if len(words) == 1 or words[1] == "...":  # a verb that is mentioned
        with pytest.raises(SystemExit, match=r"^0$"):
            _parser().parse_args([words[0], "--help"])
    else:
        _parser().parse_args(words)


@pytest.mark.parametrize(("command", "expected"), RUN.items())
def test_a_brief_verb_runs(command, expected, written, monkeypatch, capsys):
    """`unidad doctor` ends with 1 where something is missing, as photos and weights are here."""
    monkeypatch.chdir(written)
    assert main(shlex.split(command)[1:]) in ((0, 1) if "doctor" in command else (0,))
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize("words", of("snakemake"))
def test_a_snakemake_command_plans_what_it_says(words, written):
    """Behind an option that takes several values a target is one of them: targets come first."""
    _, options = parse_args(words[1:])
    assert words[1 : 1 + len(options.targets)] == sorted(options.targets)
    for path in options.configfile or ():
        assert (written / path).is_file()
    if "conda" in words:
        pytest.skip("conda itself makes the environments")
    said = snakemake(written, *words[1:], *(() if options.unlock else ("-n",)))
    assert "This was a dry-run" in said.stdout or options.unlock


@pytest.mark.parametrize("words", of("make"))
def test_a_target_of_make_is_there(words):
    result = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for setting in (word for word in words if word.startswith("CONFIG=")):
        name = setting.removeprefix("CONFIG=")
        assert name == "configs/mine.yaml" or (ROOT / name).is_file()


def test_diffs_of_the_pages_apply_to_the_code(tmp_path):
    shutil.copytree(
        ROOT / "unidad", tmp_path / "unidad", ignore=shutil.ignore_patterns("*.safetensors")
    )
    diffs = fences(ROOT / "docs/extending.md", "diff")
    for diff in diffs:
        changed(tmp_path, diff)
    assert diffs
    code = "from unidad import losses; from torch import tensor as t; l = t([[3.0]]); "
    code += "print(losses.gan_student(l, 'absolute'), losses.gan_discriminator(l, -l, 'absolute'))"
    environment = ENVIRONMENT | {"PYTHONPATH": str(tmp_path)}
    said = subprocess.check_output(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, text=True
    )
    assert said == "tensor(2.) tensor(5.)\n"


@pytest.mark.parametrize(("page", "told"), fragments())
def test_a_fragment_of_a_configuration_is_valid(page, told, written):
    if "Anchored" in told.get("variants", {}):
        pytest.skip("tests/workflow/test_smoke.py runs it, with the plugin that it needs")
    if page == "cluster.md":
        pytest.skip("profiles of other schedulers and a Kubernetes job, no experiments")
    start = "configs/sdp.yaml" if page == "personalisation.md" else "config.yaml"
    raw = yaml.safe_load((ROOT / start).read_text())
    variants = raw["variants"] | told.get("variants", {})
    parse_config(raw | told | {"variants": variants}, page)


@pytest.mark.parametrize("page", [page for page in PAGES if fences(page, "python")], ids=str)
def test_python_of_the_pages_runs_or_finds_what_it_imports(page):
    """README's and extending.md's run in test_smoke.py; metrics.md's needs published weights."""
    for block in fences(page, "python"):
        ends = len(block) if page.name == "benchmark.md" else block.rindex("import ")
        exec(block[: block.find("\n", ends)], {})
