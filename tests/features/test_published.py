import json

import numpy as np
import pytest

from unidad.config.evaluation import PublishedFeatures
from unidad.errors import UserError
from unidad.features.extractors import load_extractor, save_published
from unidad.features.published import published_inception


def test_a_folder_names_the_published_networks(tmp_path):
    config = PublishedFeatures(mode="clean", trunk="alex")
    save_published(config, tmp_path / "networks")
    extractor = load_extractor(tmp_path / "networks")
    assert (extractor.name, extractor.domains) == ("inception-clean, lpips-alex", ())
    assert PublishedFeatures() == PublishedFeatures(mode="legacy_pytorch", trunk="vgg")


def test_a_feature_network_is_loaded_as_before(row, tmp_path):
    extractor = load_extractor(row["networks"][0])
    assert (extractor.name, extractor.domains) == ("colours", ("babies", "cats"))
    with pytest.raises(UserError, match="no such file; the folder of a feature network has it"):
        load_extractor(tmp_path / "nowhere")


def test_each_network_is_needed_only_for_its_own_task(tmp_path, monkeypatch):
    """Their weights are absent here: the message tells which network was asked for."""
    monkeypatch.setenv("UNIDAD_WEIGHTS", str(tmp_path))
    image = np.zeros((1, 64, 64, 3), np.uint8)
    extractor = published_inception(PublishedFeatures())
    for task, file in (("features", "inception"), ("perceptual", "vgg16")):
        with pytest.raises(UserError, match=rf"{file}.*: no such file"):
            getattr(extractor, task)(image)


def test_unknown_networks_and_keys_are_named(tmp_path):
    for values, complaint in (
        ({"mode": "tidy"}, "mode: Input should be 'legacy_pytorch' or 'clean', found 'tidy'"),
        ({"net": "vgg"}, "net: unknown key"),
        (["vgg"], "Input should be a mapping of keys"),
    ):
        (tmp_path / "config.json").write_text(json.dumps({"published": values}))
        with pytest.raises(UserError, match=rf"config.json: published: {complaint}"):
            load_extractor(tmp_path)
