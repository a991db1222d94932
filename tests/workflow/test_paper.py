"""The paper's configuration runs for real with a small network: the same keys, other sizes.

The networks that measure are random ones of the true architecture.
"""

import json
import zipfile
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from adm_reference import Adm, random_state
from checkouts import snakemake
from PIL import Image
from published_networks import copy_package, random_inception, random_vgg

from unidad.experiment.extend import extended
from unidad.synthetic.faces import render

ROOT = Path(__file__).parents[2]
ADM = Adm(base=64, multipliers=(1, 1), attention=(1,), head=64, resolution=32)
pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def pictures(path, domain, indices):
    """A zip archive of renderings, which stand for the published photographs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for index, pixels in enumerate(render(domain, 0, indices, 32).images):
            file = BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            archive.writestr(f"{domain}/{index}.png", file.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A clone with a guided-diffusion checkpoint, archives of images, and a smaller experiment."""
    folder = tmp_path_factory.mktemp("paper")
    copy_package(folder, ROOT)
    (folder / "models").mkdir()
    torch.save(random_state(ADM), folder / "models/ffhq.pt")
    random_inception(folder)
    random_vgg(folder)
    pictures(folder / "data/ffhq.zip", "faces", range(10))
    pictures(folder / "data/train.zip", "babies", range(10))
    pictures(folder / "data/test.zip", "babies", range(22))
    paper = ROOT / "configs/paper_fsig.yaml"
    whole = extended(yaml.safe_load(paper.read_text()), str(paper), paper.parent)
    raw = json.loads(json.dumps(whole))
    raw["targets"]["babies"] |= {"folder": "data/train.zip", "reference": "data/test.zip"}
    raw |= {
        "resolution": 32,
        "source": raw["source"] | {"folder": "data/ffhq.zip"},
        "targets": {"babies": raw["targets"]["babies"]},
        "evaluation": {"samples": 16, "batch_size": 16, "source_nfe": 2},
    }
    for table in raw["tables"].values():
        table["targets"] = ["babies"]
    raw["training"] |= {"student_updates": 2, "checkpoint_every": 1, "sample_every": 0}
    raw["training"]["bf16"] = False  # which a processor without it takes four times as long for
    raw["distillation"]["fake_score_updates_per_student_update"] = 1
    (folder / "small.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    return folder


def test_from_a_checkpoint_and_archives_to_the_table_beside_the_paper_s(folder):
    options = ("--cores", "2", "--configfile", "small.yaml")
    snakemake(folder, *options, UNIDAD_WEIGHTS=str(folder / "weights"))
    root = folder / "results/paper_fsig"
    assert "imported from: ffhq.pt" in (root / "models/source_teacher/README.md").read_text()
    row = json.loads((root / "metrics/babies/shots10/uni-dad/seed0/nfe3.json").read_text())
    assert row["extractor"] == "inception-legacy_pytorch, lpips-vgg"
    table = pd.read_csv(root / "tables/comparison.csv")
    of_table1 = (table.shots == 10) & ~table.nfe.isin([1, 4])
    babies = table[(table.target == "babies") & of_table1]
    babies = babies.pivot(index="variant", columns="metric", values="mean")
    trained = babies.loc[["FT", "FT-DMD2", "Uni-DAD"]]
    assert {"Source teacher", "Training images"} <= {*babies.index}
    assert babies.memorisation["Training images"] == 1
    assert (trained.memorisation == 0).all()
    assert 0 < babies.frechet_distance["Training images"] < trained.frechet_distance.min()
    assert (trained.intra_lpips > 0).all()
    text = (root / "tables/table1.md").read_text()
    for published in ("57.06", "57.11", "45.09"):
        assert published in text
    assert "| DDPM-PA | 1000 | – | 48.92" in text
    for name in ("table1", "table2", "table4", "table5", "table6", "table7"):
        cells = pd.read_csv(root / f"tables/{name}.csv")
        both = cells[cells["published"].notna() & (cells["n"] > 0)]
        assert len(both) == {"table1": 10, "table2": 8, "table4": 9, "table5": 6}.get(
            name, 4 - (name == "table6") * 2
        )
    orderings = pd.read_csv(root / "tables/orderings.csv")
    assert (orderings["table"] == "table7").sum() == 6
    manifest = json.loads((root / "data/babies/manifest.json").read_text())
    assert manifest["files"]["reference.npz"]["images"] == 12
