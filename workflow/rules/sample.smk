# Image sets drawn with trained models, and with the source's as they are.


rule sample:
    input:
        model=f"{ROOT}/runs/{{run}}/model",
        spec=lambda wildcards: PLAN.task.drawing_spec(f"samples/{wildcards.run}/nfe"),
    output:
        images=f"{ROOT}/samples/{{run}}/nfe{{nfe}}.npz",
        cost=f"{ROOT}/samples/{{run}}/nfe{{nfe}}.json",
    log:
        f"{ROOT}/logs/sample/{{run}}/nfe{{nfe}}.log",
    benchmark:
        f"{ROOT}/benchmarks/sample/{{run}}/nfe{{nfe}}.tsv"
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad sample {input.model} --nfe {wildcards.nfe} --settings {input.spec}"
        " --out {output.images} --threads {threads} > {log} 2>&1"


rule sample_source:
    input:
        model=lambda wildcards: PLAN.source_model(wildcards.role.replace("-", "_")),
        spec=lambda wildcards: PLAN.task.drawing_spec(
            f"samples/{wildcards.name}/{wildcards.role}/nfe"
        ),
    output:
        images=f"{ROOT}/samples/{{name}}/{{role}}/nfe{{nfe}}.npz",
        cost=f"{ROOT}/samples/{{name}}/{{role}}/nfe{{nfe}}.json",
    log:
        f"{ROOT}/logs/sample/{{name}}/{{role}}/nfe{{nfe}}.log",
    benchmark:
        f"{ROOT}/benchmarks/sample/{{name}}/{{role}}/nfe{{nfe}}.tsv"
    wildcard_constraints:
        name=one_of(["source", *TARGETS]),
        role="source-teacher|source-student",
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad sample {input.model} --nfe {wildcards.nfe} --settings {input.spec}"
        " --out {output.images} --threads {threads} > {log} 2>&1"
