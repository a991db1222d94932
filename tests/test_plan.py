import json
from pathlib import Path

import pytest
import yaml

from unidad.errors import UserError
from unidad.experiment.load import parse_config
from unidad.plan import Plan
from unidad.tasks.rows import Run

ROOT = Path(__file__).parents[1]


VARIANTS = yaml.safe_load("""
FT: {method: finetune, nfe: 25, extra_nfe: [5, 10]}
DMD2: {method: dmd2, domain: source, nfe: 3}
DMD2-FT: {method: finetune, student: DMD2, sampler: few_step, nfe: 3}
FT-DMD2: {method: dmd2, student: FT, teacher: FT, nfe: 3}
Uni-DAD (no target teacher): {method: unidad, target_teacher: none, nfe: 3}
Uni-DAD: {method: unidad, nfe: 3, near_target_share: 0.5}
""")


def plan(results="results", **changes):
    raw = yaml.safe_load((ROOT / "config.yaml").read_text())
    raw |= {"targets": {n: raw["targets"][n] for n in ("babies", "cats")}, "seeds": [0, 1]}
    raw |= {"variants": VARIANTS}
    return Plan(parse_config(raw | changes, "c"), str(results))


def test_runs_come_after_those_they_start_from():
    p = plan()
    runs = p.runs()
    assert len(runs) == len(set(runs)) == 2 * (2 * 5 + 1)
    for run in runs:
        for needed in p.dependencies(run).values():
            assert runs.index(needed) < runs.index(run)


def test_the_two_stage_routes_are_chained_runs():
    p = plan()
    dmd2 = Run("source", None, "DMD2", 1)
    ft = Run("babies", 10, "FT", 1)
    assert p.dependencies(Run("babies", 10, "DMD2-FT", 1)) == {"student": dmd2}
    assert p.dependencies(Run("babies", 10, "FT-DMD2", 1)) == {"student": ft, "teacher": ft}
    assert p.dependencies(Run("babies", 10, "Uni-DAD", 1)) == {}
    spec = p.spec(Run("babies", 10, "FT-DMD2", 1))
    assert spec.teacher == spec.student == "results/default/runs/babies/shots10/ft/seed1/model"
    assert p.spec(Run("cats", 10, "Uni-DAD", 0)).teacher == "results/default/models/source_teacher"


def test_a_given_source_student_is_a_row_s_start_and_a_control():
    p = plan(variants={"D": {"method": "finetune", "student": "source_student", "nfe": 3}})
    assert [run.label for run in p.runs()] == ["D"] * 4
    assert p.spec(Run("cats", 10, "D", 1)).student == "results/default/models/source_student"
    assert p.task.placed()["source_student"] == {"origin": "shipped:synthetic-faces-student"}
    assert "source_student" not in plan().task.placed()
    controls = [row for row in p.rows() if row.run is None and row.target == "cats"]
    drawn = {row.label: row.images for row in controls}
    assert drawn["Source student"].endswith("samples/source/source-student/nfe3.npz")
    assert "Source student" not in {row.label for row in plan().rows()}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"source_student": "train"}, "trains it as a row of its own"),
        ({"source_teacher": "models/mine"}, "was distilled from the shipped source_teacher"),
    ],
)
def test_a_source_student_is_given_and_fits_its_teacher(changes, line):
    variants = {"D": {"method": "finetune", "student": "source_student", "nfe": 3}}
    with pytest.raises(UserError, match=f"source_student: .*{line}"):
        plan(variants=variants, **changes)


def test_share_of_the_target_teacher_near_and_far():
    p = plan()
    share = lambda target, label: p.spec(Run(target, 10, label, 0)).variant.dmd_target_share  # noqa: E731
    assert share("babies", "Uni-DAD") == 0.5
    assert share("cats", "Uni-DAD") == 0.75
    assert share("cats", "Uni-DAD (no target teacher)") == 0.0
    papers = plan(variants={"U": {"method": "unidad", "nfe": 3}})
    for target, expected in (("babies", 0.25), ("cats", 0.75)):
        assert papers.spec(Run(target, 10, "U", 0)).variant.dmd_target_share == expected
    alone = plan(variants={"U": {"method": "unidad", "nfe": 3, "dmd_source": False}})
    assert alone.spec(Run("babies", 10, "U", 0)).variant.dmd_target_share == 1.0


def test_rows_have_controls_and_unique_files():
    rows = plan().rows()
    assert len({row.metrics for row in rows}) == len(rows)
    babies = [row.label for row in rows if row.target == "babies" and row.run is None]
    assert babies == ["Source teacher", "Held-out images", "Training images"]


def test_a_changed_hyperparameter_rewrites_its_own_spec_and_no_other(tmp_path):
    first = plan(tmp_path)
    assert len(first.write_specs()) == len(first.specs())
    assert first.write_specs() == []
    changed = VARIANTS["FT-DMD2"] | {"training": {"learning_rate": 0.00123}}
    second = plan(tmp_path, variants=VARIANTS | {"FT-DMD2": changed})
    written = second.write_specs()
    runs = sorted(path for path in written if "/specs/runs/" in path)
    assert [path.split("/specs/runs/")[1] for path in runs] == [
        f"{target}/shots10/ft-dmd2/seed{seed}.json"
        for target in ("babies", "cats")
        for seed in (0, 1)
    ]
    assert {p.split("/specs/")[1] for p in set(written) - set(runs)} == {"config.json"}


def test_waiting_counts_the_longest_chain_of_runs_that_follow():
    p = plan()
    waiting = {run.label: p.waiting(run) for run in p.runs() if run.target in ("source", "babies")}
    assert waiting["DMD2"] == 1
    assert waiting["FT"] == 1
    assert waiting["DMD2-FT"] == waiting["FT-DMD2"] == waiting["Uni-DAD"] == 0


def test_the_feature_network_s_choice_is_not_the_source_teacher_s():
    shipped, published = plan().specs(), plan(feature_network="published").specs()
    changed = {path for path, text in published.items() if shipped.get(path) != text}
    assert "results/default/specs/models/feature_network.json" in changed
    assert "results/default/specs/models/source_teacher.json" not in changed
    assert not any("/specs/runs/" in path for path in changed)


def test_lineage_sums_what_a_model_is_built_on():
    p = plan()
    labels = [run.label for run in p.lineage(Run("babies", 10, "FT-DMD2", 0))]
    assert labels == ["FT-DMD2", "FT"]


def test_row_specification_names_existing_kinds_of_files():
    p = plan()
    row = next(r for r in p.rows() if r.run == Run("babies", 10, "DMD2-FT", 0))
    spec = json.loads(p.specs()[f"{p.root}/specs/{row.metrics}"])
    assert spec["run"]["method"] == "finetune"
    assert spec["images"] == "results/default/samples/babies/shots10/dmd2-ft/seed0/nfe3.npz"
    assert spec["features"].startswith("results/default/features/samples/")
    assert [Path(path).parts[4] for path in spec["training"]] == ["shots10", "all"]


def test_a_folder_without_reference_has_nothing_to_measure_against():
    p = plan(targets={"mine": {"folder": "photos"}})
    assert not p.has_reference("mine")
    labels = [row.label for row in p.rows() if row.target == "mine"]
    assert "Held-out images" not in labels
    row = next(row for row in p.rows() if row.target == "mine")
    assert p.row_spec(row)["reference_features"] is None


REMOTE = {"url": "https://server/faces.zip", "sha256": "AB" * 32, "inside": "faces"}


def test_real_faces_have_a_reference_and_no_control_of_further_images():
    p = plan(targets={"people": {"domain": "lfw"}, "babies": {"domain": "babies"}})
    rows = {target: [r for r in p.rows() if r.target == target] for target in ("people", "babies")}
    assert "Held-out images" in {row.label for row in rows["babies"]}
    assert "Held-out images" not in {row.label for row in rows["people"]}
    spec = p.row_spec(rows["people"][0])
    assert spec["domain"] is None
    assert spec["reference_images"] == "results/default/data/people/reference.npz"
    prepared = json.loads(p.specs()["results/default/specs/data/people.json"])
    assert prepared == {"domain": "lfw", "shots": [10], "resolution": 64}


def test_archives_are_unpacked_before_they_are_prepared():
    targets = {"mine": {"folder": "my.zip", "reference": "others", "shots_in_reference": "drop"}}
    p = plan(targets=targets, source={"folder": REMOTE, "images": 7})
    root = "results/default"
    assert p.originals("mine", "folder") == f"{root}/originals/mine/folder"
    assert p.originals("mine", "reference") == "others"
    specs = {
        path: json.loads(text) for path, text in p.specs().items() if "/specs/runs" not in path
    }
    assert specs[f"{root}/specs/originals/mine/folder.json"] == {
        "archive": "my.zip",
        "sha256": None,
        "inside": "",
    }
    assert specs[f"{root}/specs/originals/source/folder.json"] == {
        "archive": "data/downloads/abababababababab",
        "sha256": None,
        "inside": "faces",
    }
    mine, source = (specs[f"{root}/specs/data/{name}.json"] for name in ("mine", "source"))
    assert mine["folder"] == f"{root}/originals/mine/folder"
    assert (mine["reference"], mine["shots_in_reference"]) == ("others", "drop")
    assert source == {
        "folder": f"{root}/originals/source/folder",
        "images": 7,
        "resolution": 64,
    }


def test_shots_that_are_named_reach_the_preparation():
    mine = {"folder": "mine", "shots_files": ["b.png", "a.png"]}
    p = plan(targets={"mine": mine}, shots=[1, 2])
    spec = json.loads(p.specs()["results/default/specs/data/mine.json"])
    assert spec["shots_files"] == ["b.png", "a.png"]


def test_one_archive_for_both_is_one_folder():
    p = plan(targets={"mine": {"folder": "my.zip", "reference": "my.zip"}}, source={})
    assert list(p.archives) == [("mine", "folder")]
    assert p.originals("mine", "folder") == p.originals("mine", "reference")


def test_a_source_of_one_s_own_has_what_it_was_given():
    p = plan(source={"folder": "faces"})
    labels = [row.label for row in p.rows() if row.target == "source" and row.run is None]
    assert labels == ["Source teacher"]
    (row,) = [row for row in p.rows() if row.target == "source" and row.run is None]
    assert p.row_spec(row)["reference_features"] is None
    assert p.row_spec(row)["domain"] is None
    given = plan(source={"folder": "faces", "reference": "others"})
    assert given.row_spec(row)["reference_features"].endswith("data/source/reference.npz")


def test_source_images_are_made_where_something_is_trained_on_them():
    assert plan().data_sets == ["source", "babies", "cats"]
    without = plan(variants={"FT": {"method": "finetune", "nfe": 25}})
    assert without.data_sets == ["babies", "cats"]
    assert not any("/source" in path for path in without.specs() if "/data/" in path)
    training = plan(variants={"FT": {"method": "finetune", "nfe": 25}}, source_teacher="train")
    assert training.data_sets == ["source", "babies", "cats"]


TABLES = yaml.safe_load("""
first: {heading: H, rows: [FT-DMD2, Uni-DAD], metrics: [frechet_distance], targets: [cats]}
second:
  heading: H
  rows: {ours: Uni-DAD, theirs: null, control: Source teacher}
  metrics: [recall]
  targets: [babies]
  shots: [5]
  seeds: [1]
""")


def test_with_tables_only_what_they_show_and_start_from_is_trained():
    p = plan(shots=[5, 10], tables=TABLES)
    assert {run.key for run in p.runs()} == {
        *(
            f"cats/shots{shots}/{name}/seed{seed}"
            for shots in (5, 10)
            for name in ("ft", "ft-dmd2", "uni-dad")
            for seed in (0, 1)
        ),
        "babies/shots5/uni-dad/seed1",
    }
    measured = {(row.target, row.shots, row.label) for row in p.rows() if row.run}
    assert measured == {
        *(("cats", shots, label) for shots in (5, 10) for label in ("FT-DMD2", "Uni-DAD")),
        ("babies", 5, "Uni-DAD"),
    }
    assert p.table_targets() == [("babies", 5), ("cats", 5), ("cats", 10)]


def test_a_run_of_several_tables_is_one_run():
    once = plan(tables={"first": TABLES["first"]})
    twice = plan(tables={"first": TABLES["first"], "again": TABLES["first"]})
    assert [run.key for run in twice.runs()] == [run.key for run in once.runs()]
    assert len(once.runs()) == 6
