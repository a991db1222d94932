# Personalisation's source models and the networks that it measures with: trained on synthetic scenes
# where the configuration says `train`. The U-Nets resume from their checkpoints, the rest is brief.

SCENE_MODELS = PLAN.config.personalisation.scene_models
SOURCE_SPECS = PLAN.task.source_specs()
MEASURING_TRAINED = PLAN.config.feature_network == "train"


rule train_clip:
    input:
        f"{SPECS}/models/{{clip}}.json",
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
    params:
        of=lambda wildcards: getattr(SCENE_MODELS, wildcards.clip),
    shell:
        "python -m unidad train-clip --seed {params.of.seed} --updates {params.of.updates}"
        " --batch-size {params.of.batch_size} --patch-size {params.of.patch_size}"
        " --scenes {params.of.scenes} --out {output} --threads {threads} > {log} 2>&1"


rule train_autoencoder:
    input:
        f"{SPECS}/models/autoencoder.json",
    output:
        directory(PLAN.task.autoencoder),
    log:
        f"{ROOT}/logs/autoencoder.log",
    benchmark:
        f"{ROOT}/benchmarks/autoencoder.tsv"
    conda:
        "../../envs/unidad.yaml"
    params:
        of=SCENE_MODELS.autoencoder,
        resolution=PLAN.config.resolution,
    shell:
        "python -m unidad train-vae --seed {params.of.seed} --steps {params.of.steps}"
        " --scenes {params.of.scenes} --resolution {params.resolution} --out {output}"
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
    params:
        channels=SCENE_MODELS.channels,
    shell:
        "python -m unidad new-text-to-image --vae {input.vae} --clip {input.clip}"
        " --channels {params.channels} --out {output} > {log} 2>&1"


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
        " && python -m unidad text-to-image {wildcards.role} {params.folder}/model --out {output}) > {log} 2>&1"


if MEASURING_TRAINED:

    rule train_encoder:
        input:
            f"{SPECS}/models/encoder.json",
        output:
            directory(PLAN.task.encoder),
        log:
            f"{ROOT}/logs/encoder.log",
        benchmark:
            f"{ROOT}/benchmarks/encoder.tsv"
        conda:
            "../../envs/unidad.yaml"
        params:
            of=SCENE_MODELS.encoder,
            resolution=PLAN.config.resolution,
        shell:
            "python -m unidad train-scene-features --seed {params.of.seed} --updates {params.of.updates}"
            " --instances {params.of.instances} --resolution {params.resolution} --out {output}"
            " --threads {threads} > {log} 2>&1"

else:

    rule measuring_networks:
        input:
            f"{SPECS}/models/measuring.json",
        output:
            clip=directory(PLAN.task.clip),
            encoder=directory(PLAN.task.encoder),
        log:
            f"{ROOT}/logs/measuring_networks.log",
        benchmark:
            f"{ROOT}/benchmarks/measuring_networks.tsv"
        conda:
            "../../envs/unidad.yaml"
        params:
            protocol=PLAN.config.personalisation.protocol,
        shell:
            "python -m unidad measuring-networks {params.protocol} --clip {output.clip}"
            " --encoder {output.encoder} > {log} 2>&1"
