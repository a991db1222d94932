# Personalisation's source models and the networks that it measures with: trained on synthetic scenes
# where the configuration says `train`. The U-Nets resume from their checkpoints, the rest is brief.

SOURCE_SPECS = PLAN.task.source_specs()
MEASURING_TRAINED = PLAN.config.feature_network == "train"


rule train_clip:
    input:
        spec=f"{SPECS}/models/{{clip}}.json",
    output:
        directory(f"{ROOT}/models/{{clip}}"),
    log:
        f"{ROOT}/logs/{{clip}}.log",
    benchmark:
        f"{ROOT}/benchmarks/{{clip}}.tsv"
    wildcard_constraints:
        clip=one_of(["text_clip", *(["clip"] if MEASURING_TRAINED else [])]),
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad train-clip --settings {input.spec} --out {output}"
        " --threads {threads} > {log} 2>&1"


rule train_autoencoder:
    input:
        spec=f"{SPECS}/models/autoencoder.json",
    output:
        directory(PLAN.task.autoencoder),
    log:
        f"{ROOT}/logs/autoencoder.log",
    benchmark:
        f"{ROOT}/benchmarks/autoencoder.tsv"
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad train-vae --settings {input.spec} --out {output}"
        " --threads {threads} > {log} 2>&1"


rule new_text_to_image:
    input:
        spec=f"{SPECS}/models/untrained.json",
        vae=PLAN.task.autoencoder,
        clip=PLAN.task.text_clip,
    output:
        directory(PLAN.task.untrained),
    log:
        f"{ROOT}/logs/untrained.log",
    benchmark:
        f"{ROOT}/benchmarks/untrained.tsv"
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad new-text-to-image --settings {input.spec} --vae {input.vae}"
        " --clip {input.clip} --out {output} > {log} 2>&1"


rule train_source:
    input:
        lambda wildcards: SOURCE_SPECS[wildcards.role].student,
        spec=f"{SPECS}/runs/{{role}}.json",
        watching=ancient(f"{SPECS}/watching/{{role}}.json"),
        images=PLAN.training_images("source", None),
    output:
        directory(f"{ROOT}/models/{{role}}"),
    log:
        f"{ROOT}/logs/{{role}}.log",
    benchmark:
        f"{ROOT}/benchmarks/{{role}}.tsv"
    wildcard_constraints:
        role=one_of(SOURCE_SPECS),
    conda:
        "../../envs/unidad.yaml"
    threads: 2
    params:
        folder=f"{ROOT}/runs/{{role}}",
        unidad=launcher,
    shell:
        "({params.unidad} train {input.spec} --watching {input.watching}"
        " --out {params.folder} --threads {threads}"
        " && python -m unidad place {params.folder}/model --out {output}) > {log} 2>&1"


if MEASURING_TRAINED:

    rule train_encoder:
        input:
            spec=f"{SPECS}/models/encoder.json",
        output:
            directory(PLAN.task.encoder),
        log:
            f"{ROOT}/logs/encoder.log",
        benchmark:
            f"{ROOT}/benchmarks/encoder.tsv"
        conda:
            "../../envs/unidad.yaml"
        shell:
            "python -m unidad train-scene-features --settings {input.spec} --out {output}"
            " --threads {threads} > {log} 2>&1"
