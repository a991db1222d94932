# What only few-shot image generation has: an unconditional source teacher, and one feature network.


if PLAN.config.source_teacher == "train":

    rule train_source_teacher:
        input:
            spec=f"{SPECS}/runs/source_teacher.json",
            watching=ancient(f"{SPECS}/watching/source_teacher.json"),
            images=PLAN.training_images("source", None),
        output:
            model=directory(PLAN.source_teacher),
            snapshots=directory(f"{ROOT}/runs/source_teacher/snapshots"),
        log:
            f"{ROOT}/logs/source_teacher.log",
        benchmark:
            f"{ROOT}/benchmarks/source_teacher.tsv"
        conda:
            "../../envs/unidad.yaml"
        threads: 2
        params:
            folder=f"{ROOT}/runs/source_teacher",
            unidad=launcher,
        shell:
            "({params.unidad} train {input.spec} --watching {input.watching}"
            " --out {params.folder} --threads {threads}"
            " && python -m unidad source-teacher {params.folder}/model --out {output.model}) > {log} 2>&1"

else:

    rule source_teacher:
        input:
            f"{SPECS}/models/source_teacher.json",
            if_there(PLAN.config.source_teacher),
        output:
            directory(PLAN.source_teacher),
        log:
            f"{ROOT}/logs/source_teacher.log",
        benchmark:
            f"{ROOT}/benchmarks/source_teacher.tsv"
        conda:
            "../../envs/unidad.yaml"
        params:
            origin=PLAN.config.source_teacher,
            resolution=PLAN.config.resolution,
        shell:
            "python -m unidad source-teacher {params.origin:q} --resolution {params.resolution}"
            " --out {output} > {log} 2>&1"


rule feature_network:
    input:
        f"{SPECS}/models/feature_network.json",
    output:
        directory(PLAN.task.feature_network),
    log:
        f"{ROOT}/logs/feature_network.log",
    benchmark:
        f"{ROOT}/benchmarks/feature_network.tsv"
    conda:
        "../../envs/unidad.yaml"
    params:
        origin=PLAN.config.feature_network,
        published=PLAN.config.published_features,
    shell:
        "python -m unidad feature-network {params.origin:q} --out {output}"
        " --mode {params.published.mode} --trunk {params.published.trunk} > {log} 2>&1"
