import json

import numpy as np
import pytest

from unidad.errors import UserError
from unidad.metrics.extractors import load_extractor
from unidad.metrics.published import PublishedConfig, PublishedExtractor


def test_a_folder_names_the_published_networks(tmp_path):
    config = PublishedConfig("clean", "alex")
    config.save(tmp_path / "networks")
    extractor = load_extractor(tmp_path / "networks")
    assert isinstance(extractor, PublishedExtractor)
    assert extractor.config == config
    assert (extractor.name, extractor.domains) == ("inception-clean, lpips-alex", ())
    assert PublishedConfig() == PublishedConfig("legacy_pytorch", "vgg")


def test_a_feature_network_is_loaded_as_before(row, tmp_path):
    extractor = load_extractor(row["network"])
    assert (extractor.name, extractor.domains) == ("colours", ("babies", "cats"))
    with pytest.raises(UserError, match="no such file; `unidad train-features`"):
        load_extractor(tmp_path / "nowhere")


def test_each_network_is_needed_only_for_its_own_task(tmp_path, monkeypatch):
    """Their weights are absent here: the message tells which network was asked for."""
    monkeypatch.setenv("UNIDAD_WEIGHTS", str(tmp_path))
    image = np.zeros((1, 64, 64, 3), np.uint8)
    extractor = PublishedExtractor(PublishedConfig())
    for task, file in (("features", "inception"), ("perceptual", "vgg16")):
        with pytest.raises(UserError, match=rf"{file}.*: no such file"):
            getattr(extractor, task)(image)


def test_unknown_networks_and_keys_are_named(tmp_path):
    with pytest.raises(UserError, match=r"published.mode: 'tidy' is not one of legacy_pytorch, "):
        PublishedConfig(mode="tidy")
    (tmp_path / "config.json").write_text(json.dumps({"published": {"net": "vgg"}}))
    with pytest.raises(UserError, match=r"config.json: published: .*'net'"):
        load_extractor(tmp_path)
