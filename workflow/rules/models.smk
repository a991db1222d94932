# Models and networks that an experiment takes as they are: shipped, published, or one's own.


rule place:
    input:
        lambda wildcards: if_there(PLACED[wildcards.model]["origin"]),
        spec=f"{SPECS}/models/{{model}}.json",
    output:
        directory(f"{ROOT}/models/{{model}}"),
    log:
        f"{ROOT}/logs/{{model}}.log",
    benchmark:
        f"{ROOT}/benchmarks/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(PLACED),
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad place --settings {input.spec} --out {output} > {log} 2>&1"
