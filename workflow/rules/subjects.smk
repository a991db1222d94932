# What only personalisation has: images of a class for prior preservation.


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
