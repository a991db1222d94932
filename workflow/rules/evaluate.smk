# Metrics: one file a measured row, from features that are computed once an image set; a few seconds
# each. The snapshots that a run kept on the way are drawn with and measured first.


rule features:
    input:
        images=f"{ROOT}/{{images}}.npz",
        networks=PLAN.task.measuring_networks,
        prompts=prompts_of_target,
    output:
        f"{ROOT}/features/{{images}}.npz",
    log:
        f"{ROOT}/logs/features/{{images}}.log",
    benchmark:
        f"{ROOT}/benchmarks/features/{{images}}.tsv"
    wildcard_constraints:
        images=r"(data|samples)/.+",
    conda:
        "../../envs/unidad.yaml"
    params:
        networks=lambda wildcards, input: [f"--network={n}" for n in input.networks],
        mirrored=lambda wildcards: (
            ["--mirrored"] if Path(wildcards.images).name.startswith("shots") else []
        ),
        prompts=lambda wildcards, input: [
            option
            for path in input.prompts
            for option in (
                f"--settings={path}",
                f"--rare-token={PLAN.config.personalisation.rare_token}",
                *(["--keep-token"] if PLAN.task.keeps_token else []),
            )
        ],
    shell:
        "python -m unidad features {input.images} {params.networks:q} {params.prompts:q}"
        " {params.mirrored}"
        " --out {output} --threads {threads} > {log} 2>&1"


rule trajectory:
    input:
        row=trajectory_row,
        snapshots=f"{ROOT}/runs/{{run}}/snapshots",
        networks=PLAN.task.measuring_networks,
        spec=lambda wildcards: PLAN.task.drawing_spec(FOLLOWED[wildcards.run].images),
        files=trajectory_files,
    output:
        metrics=f"{ROOT}/trajectories/{{run}}.json",
        images=f"{ROOT}/trajectories/{{run}}.npz",
    log:
        f"{ROOT}/logs/trajectory/{{run}}.log",
    benchmark:
        f"{ROOT}/benchmarks/trajectory/{{run}}.tsv"
    wildcard_constraints:
        run=one_of(FOLLOWED),
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad evaluate {input.row} --snapshots --out {output.metrics}"
        " --images {output.images}"
        " --threads {threads} > {log} 2>&1"


rule evaluate:
    input:
        spec=f"{SPECS}/metrics/{{row}}.json",
        networks=PLAN.task.measuring_networks,
        files=measured_files,
    output:
        f"{ROOT}/metrics/{{row}}.json",
    log:
        f"{ROOT}/logs/evaluate/{{row}}.log",
    benchmark:
        f"{ROOT}/benchmarks/evaluate/{{row}}.tsv"
    wildcard_constraints:
        row=one_of(metrics[len("metrics/") : -len(".json")] for metrics in ROWS),
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad evaluate {input.spec} --out {output} --threads {threads} > {log} 2>&1"
