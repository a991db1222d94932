# Data sets: the source, every target's shots and held-out images, a contact sheet of all.
#
# A folder of one's own may come without held-out images, so the rules differ in what they promise.

SYNTHETIC = [name for name, target in TARGETS.items() if not target.folder]
MEASURED = [
    name for name in TARGETS if name not in SYNTHETIC and PLAN.has_reference(name)
]
UNMEASURED = [name for name in TARGETS if not PLAN.has_reference(name)]
SHOTS = [f"shots{shots}.npz" for shots in PLAN.config.shots]


rule prepare_source:
    input:
        settings=f"{SPECS}/data/source.json",
    output:
        expand(
            f"{ROOT}/data/source/{{name}}",
            name=["train.npz", "reference.npz", "held_out.npz"],
        ),
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


use rule prepare_target as prepare_folder_with_reference with:
    input:
        originals,
        settings=f"{SPECS}/data/{{target}}.json",
    output:
        in_folder(*SHOTS, "reference.npz"),
        manifest=f"{ROOT}/data/{{target}}/manifest.json",
    wildcard_constraints:
        target=one_of(MEASURED),


use rule prepare_target as prepare_folder with:
    input:
        originals,
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
