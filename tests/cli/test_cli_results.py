"""`export` and `schema`: what they write, and what they refuse."""

from pathlib import Path

from unidad.files import write_json

ROOT = Path(__file__).parents[2]


def test_a_run_that_is_not_finished(complains, model_folder):
    complains(
        ("export", "no", "--out", "mine"), "no/training.json: no such file", "no finished run"
    )
    write_json(Path("run/training.json"), {"updates": {"student": 1}})
    complains(("export", "run", "--out", "mine"), "run/model/model_index.json: no such file")


def test_schema_is_the_one_of_the_project(told):
    file = ROOT / "workflow" / "schemas" / "config.schema.json"
    status, out, _ = told("schema")
    assert (status, "\n".join(out) + "\n") == (0, file.read_text())
    assert told("schema", "--check", file) == (0, [], [])


def test_schema_out_of_step(complains):
    complains(("schema", "--check", "no.json"), "no.json: No such file or directory")
    Path("old.json").write_text("{}")
    complains(
        ("schema", "--check", "old.json"), "old.json: out of step", "unidad schema > old.json"
    )
