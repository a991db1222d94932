# Data sets: the source, every target's shots and held-out images, a contact sheet of all.
#
# A folder of one's own may come without held-out images, and photographs come without a control set, so the rules
# differ in what they promise.
# Archives are downloaded once for all experiments, and unpacked into a folder.

SYNTHETIC = [name for name, target in TARGETS.items() if target.is_rendered]
MEASURED = [
    name for name in TARGETS if name not in SYNTHETIC and PLAN.has_reference(name)
]
UNMEASURED = [name for name in TARGETS if not PLAN.has_reference(name)]
SHOTS = [f"shots{shots}.npz" for shots in PLAN.config.shots]
SOURCE_SETS = ["train.npz"]
if PLAN.has_reference("source"):
    SOURCE_SETS.append("reference.npz")
if PLAN.config.source.folder is None:
    SOURCE_SETS.append("held_out.npz")
REMOTE = {
    PLAN.archive_file(archive): archive
    for archive in PLAN.archives.values()
    if archive.is_remote
}


rule download:
    output:
        f"{DOWNLOADS}/{{digits}}",
    log:
        f"{ROOT}/logs/download/{{digits}}.log",
    benchmark:
        f"{ROOT}/benchmarks/download/{{digits}}.tsv"
    wildcard_constraints:
        digits="[0-9a-f]+",
    retries: 2
    localrule: True  # where Snakemake runs, for nodes may have no way out
    conda:
        "../../envs/unidad.yaml"
    params:
        archive=lambda wildcards: REMOTE[f"{DOWNLOADS}/{wildcards.digits}"],
    shell:
        "python -m unidad fetch {params.archive.url:q} --sha256 {params.archive.sha256}"
        " --out {output} > {log} 2>&1"


rule unpack:
    input:
        archive_needed,
        spec=f"{SPECS}/originals/{{name}}/{{key}}.json",
    output:
        directory(f"{ROOT}/originals/{{name}}/{{key}}"),
    log:
        f"{ROOT}/logs/unpack/{{name}}/{{key}}.log",
    benchmark:
        f"{ROOT}/benchmarks/unpack/{{name}}/{{key}}.tsv"
    wildcard_constraints:
        name=one_of(PLAN.data_sets),
        key="folder|reference",
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad unpack --settings {input.spec} --out {output} > {log} 2>&1"


rule prepare_source:
    input:
        originals("source"),
        settings=f"{SPECS}/data/source.json",
    output:
        expand(f"{ROOT}/data/source/{{name}}", name=SOURCE_SETS),
        manifest=f"{ROOT}/data/source/manifest.json",
    log:
        f"{ROOT}/logs/prepare/source.log",
    benchmark:
        f"{ROOT}/benchmarks/prepare/source.tsv"
    priority: 20  # the longest chains of trainings wait for it
    conda:
        "../../envs/unidad.yaml"
    params:
        folder=subpath(output.manifest, parent=True),
    shell:
        "python -m unidad prepare --settings {input.settings} --out {params.folder} > {log} 2>&1"


rule prepare_target:
    input:
        settings=f"{SPECS}/data/{{target}}.json",
    output:
        in_folder(*SHOTS, "reference.npz", "held_out.npz"),
        manifest=f"{ROOT}/data/{{target}}/manifest.json",
    log:
        f"{ROOT}/logs/prepare/{{target}}.log",
    benchmark:
        f"{ROOT}/benchmarks/prepare/{{target}}.tsv"
    wildcard_constraints:
        target=one_of(SYNTHETIC),
    conda:
        "../../envs/unidad.yaml"
    params:
        folder=subpath(output.manifest, parent=True),
    shell:
        "python -m unidad prepare --settings {input.settings} --out {params.folder} > {log} 2>&1"


use rule prepare_target as prepare_photos_with_reference with:
    input:
        lambda wildcards: originals(wildcards.target),
        settings=f"{SPECS}/data/{{target}}.json",
    output:
        in_folder(*SHOTS, "reference.npz"),
        manifest=f"{ROOT}/data/{{target}}/manifest.json",
    wildcard_constraints:
        target=one_of(MEASURED),


use rule prepare_target as prepare_photos with:
    input:
        lambda wildcards: originals(wildcards.target),
        settings=f"{SPECS}/data/{{target}}.json",
    output:
        in_folder(*SHOTS),
        manifest=f"{ROOT}/data/{{target}}/manifest.json",
    wildcard_constraints:
        target=one_of(UNMEASURED),


rule contact_sheet:
    input:
        expand(f"{ROOT}/data/{{name}}/manifest.json", name=PLAN.data_sets),
    output:
        report(
            f"{ROOT}/data/contact_sheet.png",
            caption="../report/contact_sheet.rst",
            category="Data",
        ),
    log:
        f"{ROOT}/logs/prepare/contact_sheet.log",
    benchmark:
        f"{ROOT}/benchmarks/prepare/contact_sheet.tsv"
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad contact-sheet $(dirname {input}) --out $(dirname {output}) > {log} 2>&1"
