"""Table 3's configuration runs for real with a small Stable Diffusion: the same keys, other sizes.

The networks that measure are random ones of the true architecture.
"""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from checkouts import snakemake
from diffusers import StableDiffusionPipeline
from PIL import Image
from published_networks import copy_package, random_clip, random_dino, random_vgg

from unidad.experiment.extend import extended
from unidad.networks.weights import write_weights
from unidad.synthetic.faces import render

ROOT = Path(__file__).parents[2]
PROMPTS = ("a {} on the beach", "a photo of a {}")
pytestmark = [pytest.mark.workflow, pytest.mark.slow]


@pytest.fixture
def folder(tmp_path, stable_diffusion, clip_folder, dino_folder):
    """A copy with models, photos of one subject, and a smaller experiment."""
    folder = tmp_path / "paper"
    folder.mkdir()
    copy_package(folder, ROOT)
    photos = folder / "data/dreambooth/cat2"
    photos.mkdir(parents=True)
    for index, pixels in enumerate(render("cats", 0, range(5), 32).images):
        Image.fromarray(pixels).save(photos / f"{index:02}.png")
    models = folder / "models"
    models.mkdir()
    (models / "stable-diffusion-v1-5").symlink_to(stable_diffusion)
    pipeline = StableDiffusionPipeline.from_pretrained(stable_diffusion)
    for name, path in (("clip", clip_folder), ("dino", dino_folder)):
        (models / name).symlink_to(path)
    weights = folder / "weights"
    random_clip(weights / "clip-vit-base-patch32", pipeline.tokenizer)
    random_vgg(folder)
    random_dino(weights / "dino-vits16")
    (folder / "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
    (folder / "small.yaml").write_text(yaml.safe_dump(smaller(), sort_keys=False))
    named, state = smaller()["personalisation"], pipeline.unet.state_dict()
    write_weights(folder / named["student_unet"], state)
    guidance = {f"fake.{name}": tensor for name, tensor in state.items()}
    torch.save(guidance | {"head.weight": torch.zeros(2)}, folder / named["fake_score_weights"])
    return folder


def smaller():
    """The paper's configuration: one subject of the thirty, a few updates at 16x16, two prompts."""
    paper = ROOT / "configs/paper_sdp.yaml"
    raw = extended(yaml.safe_load(paper.read_text()), str(paper), paper.parent)
    raw = json.loads(json.dumps(raw))
    raw |= {"resolution": 16, "targets": {"cat2": raw["targets"]["cat2"]}}
    raw["personalisation"] |= {"prompts": "prompts.txt", "images_per_prompt": 2}
    raw["personalisation"] |= {"clip_t_prompt": "subject", "measured_images": 1}  # as released
    brief = {"student_updates": 2, "checkpoint_every": 1, "sample_every": 0}
    raw["training"] |= brief
    echo = raw["variants"]["EchoDistill"]
    echo["training"] |= brief
    echo |= {"features": {"clip": "models/clip", "dino": "models/dino"}}
    echo |= {"echo_updates": 1, "echo_candidates": 4}
    raw["variants"]["FT"]["nfe"] = raw["evaluation"]["source_nfe"] = 3
    raw["distillation"]["fake_score_updates_per_student_update"] = 1
    raw["evaluation"]["batch_size"] = 4
    return raw


def test_from_a_pipeline_and_photos_to_table_3(folder):
    options = ("--cores", "2", "--configfile", "small.yaml")
    snakemake(folder, *options, UNIDAD_WEIGHTS=str(folder / "weights"))
    root = folder / "results/paper_sdp"
    row = json.loads((root / "metrics/cat2/shots4/uni-dad/seed0/nfe1.json").read_text())
    assert row["samples"] == 4
    assert row["extractor"] == "unidad"
    cells = pd.read_csv(root / "tables/table3.csv")
    both = cells[cells["published"].notna() & (cells["n"] > 0)]
    published = {"FT (DreamBooth)": 0.58, "Uni-DAD": 0.56}
    ours = both[both["metric"] == "instance_similarity"].set_index("row")
    assert {*published} <= {*ours.index}
    assert ours["published"]["FT (DreamBooth)"] == 0.58
    assert ours["mean"].between(-1, 1).all()
    assert len(both) == 27 - 5
    text = (root / "tables/table3.md").read_text()
    assert "| Turbo-PSO (SDXL) |" in text
    assert Image.open(root / "grids/cat2_shots4.png").width > 200
