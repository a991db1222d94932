# Tables, plots and image grids of the experiment, and Snakemake's own report of them.

from unidad.report.outputs import (
    COST_PLOT,
    TABLES,
    grid_file,
    nearest_file,
    overview_file,
    plot_file,
    training_curves_file,
    view_files,
)

BLOCKS = PLAN.table_targets()
VIEWS = PLAN.config.tables


rule report:
    input:
        config=f"{SPECS}/config.json",
        metrics=[f"{ROOT}/{path}" for path in ROWS],
        images=[f"{ROOT}/{row.images}" for row in ROWS.values()],
        curves=[f"{ROOT}/runs/{key}/training.csv" for key in RUNS],
        sheet=f"{ROOT}/data/contact_sheet.png",
    output:
        [f"{ROOT}/{table}" for table in TABLES if not table.endswith("comparison.html")],
        in_report("tables/comparison.html", "table", "Comparison", table="all methods"),
        [f"{ROOT}/{file}" for file in view_files(VIEWS) if not file.endswith(".html")],
        [
            in_report(f"tables/{name}.html", "table", "Comparison", table=view.heading)
            for name, view in VIEWS.items()
        ],
        [
            in_report(
                plot_file(name),
                name,
                "Plots",
                plot=name.replace("_", " against "),
            )
            for name in (*(plot.name for plot in PLAN.task.plots), COST_PLOT)
        ],
        [
            in_report(
                training_curves_file(*block),
                "training_curves",
                "Training",
                target=block[0],
            )
            for block in BLOCKS
        ],
        [
            in_report(
                grid_file(*block), "grid", "Images", target=block[0], images="first"
            )
            for block in BLOCKS
        ],
        [
            in_report(
                nearest_file(*block),
                "nearest",
                "Images",
                target=block[0],
                images="nearest to training",
            )
            for block in BLOCKS
        ],
        [
            in_report(
                overview_file(name),
                "overview",
                "Images",
                target="all",
                images=view.heading,
            )
            for name, view in VIEWS.items()
            if view.images
        ],
    log:
        f"{ROOT}/logs/report.log",
    benchmark:
        f"{ROOT}/benchmarks/report.tsv"
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad report --config {input.config} > {log} 2>&1"


rule page:
    input:
        config=f"{SPECS}/config.json",
        metrics=[f"{ROOT}/{path}" for path in ROWS],
        images=[f"{ROOT}/{row.images}" for row in ROWS.values()],
        training=[PLAN.training_images(*block) for block in BLOCKS],
        summaries=[f"{ROOT}/runs/{key}/training.json" for key in RUNS],
        curves=[f"{ROOT}/runs/{key}/training.csv" for key in RUNS],
        snapshots=[f"{ROOT}/trajectories/{run}.npz" for run in FOLLOWED],
    output:
        f"{ROOT}/index.html",
        f"{ROOT}/tables/summary.rst",
    log:
        f"{ROOT}/logs/page.log",
    benchmark:
        f"{ROOT}/benchmarks/page.tsv"
    conda:
        "../../envs/unidad.yaml"
    shell:
        "python -m unidad page --config {input.config} > {log} 2>&1"
