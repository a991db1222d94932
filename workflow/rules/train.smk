# Every training run of the experiment.
#
# What a run ends with is declared, its checkpoints (state/) are not: a failed or killed job keeps
# them, and the next attempt goes on from the last one.


rule train:
    input:
        spec=f"{SPECS}/runs/{{run}}.json",
        watching=ancient(f"{SPECS}/watching/{{run}}.json"),
        images=images_needed,
        models=models_needed,
    output:
        model=directory(f"{ROOT}/runs/{{run}}/model"),
        summary=f"{ROOT}/runs/{{run}}/training.json",
        curves=f"{ROOT}/runs/{{run}}/training.csv",
        snapshots=directory(f"{ROOT}/runs/{{run}}/snapshots"),
    log:
        f"{ROOT}/logs/train/{{run}}.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{{run}}.tsv"
    priority: chain_priority
    conda:
        "../../envs/unidad.yaml"
    params:
        folder=subpath(output.summary, parent=True),
        unidad=launcher,
    shell:
        "{params.unidad} train {input.spec} --watching {input.watching}"
        " --out {params.folder} --threads {threads} > {log} 2>&1"
