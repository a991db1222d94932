# Metrics: one file a measured row, from cached features; a few seconds each. The snapshots that a
# run kept on the way are drawn with and measured first.


rule trajectory:
    input:
        row=trajectory_row,
        snapshots=f"{ROOT}/runs/{{run}}/snapshots",
        network=PLAN.task.measuring_networks,
        spec=lambda wildcards: PLAN.task.drawing_spec(FOLLOWED[wildcards.run].images),
        files=trajectory_files,
    output:
        f"{ROOT}/trajectories/{{run}}.json",
    log:
        f"{ROOT}/logs/trajectory/{{run}}.log",
    benchmark:
        f"{ROOT}/benchmarks/trajectory/{{run}}.tsv"
    wildcard_constraints:
        run=one_of(FOLLOWED),
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad trajectory {input.row} --settings {input.spec} --out {output}"
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
