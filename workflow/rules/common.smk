# The plan of the experiment, its paths, and what wildcards may be.

import re
import sys
from pathlib import Path

from snakemake.io import contains_wildcard

from unidad.errors import UserError

try:
    from unidad.experiment.load import load_again
    from unidad.plan import DOWNLOADS, Plan

    PLAN = Plan(load_again(dict(config), workflow.configfiles))
    PLAN.write_specs()
except UserError as error:
    print(error, file=sys.stderr)
    sys.exit(1)

if workflow.is_main_process:
    from unidad.findings import absent

    for finding in absent(PLAN):
        print(finding, file=sys.stderr)

ROOT = PLAN.root
SPECS = f"{ROOT}/specs"
TARGETS = PLAN.config.targets
ROWS = {row.metrics: row for row in PLAN.rows()}
RUNS = {run.key: run for run in PLAN.runs()}
MODELS = [PLAN.source_teacher, *map(PLAN.model, PLAN.runs())]
PLACED = PLAN.task.placed()
FOLLOWED = {
    followed: row for row in ROWS.values() if (followed := PLAN.followed_run(row))
}


def one_of(names):
    """A wildcard constraint that admits these names; none at all where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def in_folder(*names):
    """Files of a target's data folder."""
    return [f"{ROOT}/data/{{target}}/{name}" for name in names]


def originals(name):
    """The user's own images of a data set: changed ones run the preparation again.

    The source has too many to name each, and an archive is a folder once it is unpacked.
    """
    unpacked = [PLAN.originals(*place) for place in PLAN.archives]
    found = {}
    for folder in (PLAN.originals(name, key) for key in ("folder", "reference")):
        if folder in unpacked:
            found[folder] = None
        elif folder and Path(folder).is_dir():
            files = (str(path) for path in Path(folder).glob("*") if path.is_file())
            found |= dict.fromkeys([folder] if name == "source" else sorted(files))
    return watchable(found)


def watchable(paths):
    """Paths without braces: Snakemake would take those for wildcards, and cannot be told not to."""
    return [path for path in paths if not contains_wildcard(path)]


def if_there(path):
    """A user's own file as an input; of a missing one the rule's command tells, at run time."""
    return watchable([path] if Path(path).is_file() else [])


def archive_needed(wildcards):
    """The archive that a data set's images come in."""
    archive = PLAN.archives[wildcards.name, wildcards.key]
    file = PLAN.archive_file(archive)
    return [file] if archive.is_remote else if_there(file)


def models_needed(wildcards):
    """The models that a run starts from or is taught by."""
    run = RUNS[wildcards.run]
    needed = PLAN.dependencies(run).values()
    return sorted({*PLAN.source_models(run), *map(PLAN.model, needed)})


def chain_priority(wildcards):
    """Training comes before measuring, and what other trainings wait for comes first."""
    return 10 + PLAN.waiting(RUNS[wildcards.run])


def launcher(wildcards, resources):
    """How a training starts: as one process, or as one for each of several GPUs.

    A signal that a cluster sends before it kills reaches every process of a job; `trap` lets the
    shell wait for the training, which finishes its update and writes a checkpoint.
    """
    patient = "trap : TERM HUP; "
    gpus = resources.get("gpu", 0)
    if gpus < 2:
        return f"{patient}python -m unidad"
    return (
        f"{patient}accelerate launch --multi_gpu --num_processes {gpus} --num_machines 1"
        " --mixed_precision no --dynamo_backend no --main_process_port 0 -m unidad"
    )


def images_needed(wildcards):
    """The image sets that a run trains on."""
    run = RUNS[wildcards.run]
    return PLAN.task.image_sets(run)


def measured_with(spec):
    """What a row's specification names beside its own images: image sets and features."""
    keys = (
        "reference_features",
        "reference_images",
        "training_images",
        "training_features",
    )
    return [spec[key] for key in keys if spec.get(key)]


def measured_files(wildcards):
    """What a row's specification names: image sets, features, costs."""
    spec = PLAN.row_spec(ROWS[f"metrics/{wildcards.row}.json"])
    keys = ("images", "features", "sampling", "trajectory")
    files = [spec[key] for key in keys if spec[key]]
    return sorted({*files, *measured_with(spec), *spec["training"]})


def prompts_of_target(wildcards):
    """The prompts that images below data/<target>/ or samples/<target>/ are measured against."""
    target = wildcards.images.split("/")[1]
    if target not in PLAN.task.shown_prompts():
        return []
    name = "measured" if PLAN.task.keeps_token else "subject"
    return [f"{SPECS}/evaluation/{target}/{name}.json"]


def trajectory_row(wildcards):
    """The specification of the row that a run's snapshots belong to."""
    return f"{SPECS}/{FOLLOWED[wildcards.run].metrics}"


def trajectory_files(wildcards):
    """What snapshots are measured with."""
    return measured_with(PLAN.row_spec(FOLLOWED[wildcards.run]))


def in_report(file, caption, category, **labels):
    """A file of the report, with its caption, category and labels."""
    return report(
        f"{ROOT}/{file}",
        caption=f"../report/{caption}.rst",
        category=category,
        labels=labels,
    )


wildcard_constraints:
    target=one_of(TARGETS),
    run=one_of(RUNS),
    nfe=r"\d+",
