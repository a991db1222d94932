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
            " && python -m unidad place {params.folder}/model --out {output.model}) > {log} 2>&1"


if PLAN.config.feature_network == "train":

    rule train_features:
        input:
            spec=f"{SPECS}/models/feature_network.json",
        output:
            directory(PLAN.task.feature_network),
        log:
            f"{ROOT}/logs/feature_network.log",
        benchmark:
            f"{ROOT}/benchmarks/feature_network.tsv"
        conda:
            "../../envs/unidad.yaml"
        shell:
            "python -m unidad train-features --settings {input.spec} --out {output}"
            " --threads {threads} > {log} 2>&1"
