# Metrics: one file a measured row, from cached features; a few seconds each.


rule evaluate:
    input:
        spec=f"{SPECS}/metrics/{{row}}.json",
        network=PLAN.feature_network,
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
