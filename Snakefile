# Few-step, few-shot image generation: the whole comparison, from data to report.
#
#   snakemake --cores all                                    the default experiment (config.yaml)
#   snakemake --cores all --configfile configs/smoke.yaml    another one
#   snakemake -n                                             what would run

from snakemake.utils import min_version

min_version("9.0")

# A --configfile replaces the default experiment; the directive alone would merge the two.
if "experiment" not in config:

    configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


# What Snakemake's own report opens on (with profiles/default).
report: Path(f"{ROOT}/tables/summary.rst").resolve()


for rules_of_task in PLAN.task.rules:

    include: f"workflow/rules/{rules_of_task}.smk"


rule all:
    default_target: True
    input:
        rules.report.output,
        rules.page.output,
        MODELS,
