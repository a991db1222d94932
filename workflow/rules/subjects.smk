# What only personalisation has: text-to-image models of the source, and images of a class for
# prior preservation.


rule text_to_image:
    input:
        f"{SPECS}/models/{{role}}.json",
    output:
        directory(f"{ROOT}/models/{{role}}"),
    log:
        f"{ROOT}/logs/{{role}}.log",
    benchmark:
        f"{ROOT}/benchmarks/{{role}}.tsv"
    wildcard_constraints:
        role=one_of({"source_teacher", "source_student"} - set(SOURCE_SPECS)),
    conda:
        "../../envs/unidad.yaml"
    params:
        origin=lambda wildcards: getattr(PLAN.config, wildcards.role),
    shell:
        "python -m unidad text-to-image {wildcards.role} {params.origin:q} --out {output} > {log} 2>&1"


rule class_images:
    input:
        model=PLAN.source_teacher,
        spec=f"{SPECS}/evaluation/{{target}}/class_images.json",
    output:
        images=f"{ROOT}/samples/{{target}}/class_images.npz",
        cost=f"{ROOT}/samples/{{target}}/class_images.json",
    log:
        f"{ROOT}/logs/sample/{{target}}/class_images.log",
    benchmark:
        f"{ROOT}/benchmarks/sample/{{target}}/class_images.tsv"
    conda:
        "../../envs/unidad.yaml"
    params:
        nfe=PLAN.config.evaluation.source_nfe,
    shell:
        "python -m unidad sample {input.model} --nfe {params.nfe} --settings {input.spec}"
        " --out {output.images} --threads {threads} > {log} 2>&1"
