"""A measured row with all its files, shared by the tests of rows and of trajectories."""

import numpy as np
import pytest
from row_fakes import SAMPLING, summary

from unidad.data.image_set import ImageSet
from unidad.files import write_json
from unidad.metrics.feature_network import load_feature_network
from unidad.metrics.features import extract


@pytest.fixture
def stored(tmp_path):
    """Write a JSON file; returns its path."""

    def write(name, **content):
        write_json(tmp_path / name, content)
        return str(tmp_path / name)

    return write


@pytest.fixture
def row(tmp_path, stored, feature_network):
    """A row's specification with all its files, over random colours and a random network."""
    network = load_feature_network(feature_network)
    draw = np.random.default_rng(0)
    files = {}
    for name, count in {"samples": 40, "training": 3, "reference": 50}.items():
        colours = draw.integers(0, 226, (count, 1, 1, 3))
        images = ImageSet((colours + draw.integers(0, 30, (count, 16, 16, 3))).astype(np.uint8))
        images.save(tmp_path / f"{name}.npz")
        extract(images, network).save(tmp_path / f"{name}_features.npz")
        files[name] = str(tmp_path / f"{name}.npz")
        files[f"{name}_features"] = str(tmp_path / f"{name}_features.npz")
    return {
        "run": {"variant": "Uni-DAD", "nfe": 3, "seed": 0},
        "domain": "babies",
        "network": str(feature_network),
        "images": files["samples"],
        "features": files["samples_features"],
        "reference_features": files["reference_features"],
        "training_images": files["training"],
        "training_features": files["training_features"],
        "sampling": stored("sampling.json", **SAMPLING),
        "training": [stored("own.json", **summary(100.5, 400, 900.0))],
        "trajectory": None,
        "intra_lpips": {"members": 100, "small_clusters": "zero", "unit_range": False},
    }
