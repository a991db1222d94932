"""Made-up results in the shape of real ones, for these tests alone."""

import json

import numpy as np
import pandas as pd

from unidad.data.image_set import ImageSet
from unidad.report.render import RunFile

ORDER = ["FT", "DMD2-FT", "FT-DMD2", "DMD2 (target)", "Uni-DAD (no target teacher)", "Uni-DAD"]
CONTROLS = ["Source teacher", "Held-out images", "Training images"]


def result(variant="Uni-DAD", seed=0, nfe=3, target="babies", shots=10, **values):
    """One metrics file's content; `values` override metrics and cost by name."""
    control = variant in CONTROLS
    run = {
        "experiment": "test",
        "target": target,
        "shots": shots,
        "variant": variant,
        "method": None if control else "method",
        "nfe": nfe,
        "trained_nfe": values.pop("trained_nfe", nfe),
        "seed": seed,
    }
    metrics = {"frechet_distance": 5.0, "kernel_distance": 0.004, "intra_lpips": 0.4}
    cost = {"nfe": nfe, "images_per_second": 40.0, "training_seconds": 60.0}
    cost |= {"training_seconds_total": 90.0, "student_updates": None if control else 600}
    trajectory = values.pop("trajectory", [])
    for name, value in values.items():
        (cost if name in cost else metrics)[name] = value
    return {
        "run": run,
        "samples": 2000,
        "extractor": "synthetic-faces",
        "metrics": metrics,
        "nearest": {"samples": [3, 1], "training": [7, 0], "ratios": [0.04, 0.5]},
        "cost": cost,
        "trajectory": trajectory,
    }


def fake_results(targets=("babies", "cats"), seeds=(0, 1, 2)):
    """A whole experiment with plausible numbers."""
    random = np.random.default_rng(0)
    results = []
    for target in targets:
        for seed in seeds:
            for i, variant in enumerate(ORDER):
                for nfe in (4, 8, 25, 50) if variant == "FT" else (1, 3):
                    trained = 25 if variant == "FT" else 3
                    fd = (5 + 3 * i) * (1 + trained / nfe / 4) * random.uniform(0.9, 1.1)
                    results.append(_plausible(variant, target, seed, nfe, trained, fd, random))
        results.append(_plausible("Source teacher", target, 0, 25, 25, 57.0, random))
        results.append(_plausible("Held-out images", target, 0, None, None, 0.21, random))
        results.append(_plausible("Training images", target, 0, None, None, 31.0, random))
    return results


def _plausible(variant, target, seed, nfe, trained, fd, random):
    names = ["precision", "recall", "density", "coverage", "attribute_spread"]
    values = {name: random.uniform(0.2, 1) for name in [*names, "attribute_coverage"]}
    values |= {"memorisation": random.uniform(0, 0.1), "domain_share": 0.9}
    values |= {"frechet_distance": fd, "kernel_distance": fd / 1000}
    values["intra_lpips"] = random.uniform(0.25, 0.5)
    values["images_per_second"] = 120 / nfe if nfe else None
    own = random.uniform(200, 500) if variant in ORDER else None
    values["training_seconds"] = own
    values["training_seconds_total"] = own and own + 200 * ("-" in variant)
    values["trajectory"] = [
        {"updates": updates, "metrics": {"frechet_distance": fd * 600 / updates}}
        for updates in (200, 400)
        if own
    ]
    return result(variant, seed, nfe, target, trained_nfe=trained, **values)


def fake_log(iterations=600, seed=0, names=("dmd_source", "dmd_target", "gan_student")):
    """A training log: student losses every fifth iteration, the fake score's at each."""
    random = np.random.default_rng(seed)
    steps = np.arange(1, iterations + 1)
    log = pd.DataFrame({"iteration": steps, "seconds": steps * 0.3})
    student = (steps % 5 == 0) | (steps == 1)
    for i, name in enumerate(names):
        curve = (1 + i) * np.exp(-steps / 200) + 0.3 + 0.1 * random.standard_normal(iterations)
        log[name] = np.where(student, curve, np.nan)
    log["fake_score_denoising"] = 50 * np.exp(-steps / 60) + random.uniform(0.5, 1, iterations)
    return log


def fake_images(count, seed=0, size=32):
    """Discs of random colours on random grounds, uint8 (count, size, size, 3)."""
    random = np.random.default_rng(seed)
    ground, disc = random.integers(0, 256, (2, count, 1, 1, 3))
    y, x = np.mgrid[:size, :size] - size / 2
    inside = (x**2 + y**2 < (size / 3) ** 2)[None, :, :, None]
    return np.where(inside, disc, ground).astype(np.uint8)


def write_inputs(folder, results, targets=("babies", "cats")):
    """Write metrics files, logs, samples and training sets; return `write_report`'s inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    metrics_files, logs, samples, training = [], [], [], {}
    for i, content in enumerate(results):
        metrics_files.append(folder / f"{i}.json")
        metrics_files[-1].write_text(json.dumps(content))
    for target in targets:
        training[target, 10] = folder / f"{target}.npz"
        ImageSet(fake_images(10)).save(training[target, 10])
        for i, variant in enumerate([*ORDER, "Source teacher"]):
            path = folder / f"{target}-{i}.npz"
            ImageSet(fake_images(12, seed=i + 1)).save(path)
            nfe = 25 if variant in ("FT", "Source teacher") else 3
            (folder / "nearest.json").write_text(json.dumps(result(variant)))
            samples.append(RunFile(target, 10, variant, path, nfe, folder / "nearest.json"))
            if variant in ORDER:
                logs.append(RunFile(target, 10, variant, path.with_suffix(".csv")))
                fake_log(seed=i).to_csv(logs[-1].path, index=False)
    return metrics_files, logs, samples, training
