import hashlib
from collections import OrderedDict

import pytest
import torch
from torch import nn

from unidad.errors import UserError
from unidad.features.pretrained import published_weights

WEIGHTS = {"conv.weight": torch.arange(6.0).reshape(2, 3)}


@pytest.fixture
def published(tmp_path):
    """A file in the old format, named by its SHA-256, as published files are; with its address."""
    draft = tmp_path / "draft.pth"
    parameters = OrderedDict({name: nn.Parameter(tensor) for name, tensor in WEIGHTS.items()})
    torch.save(parameters, draft, _use_new_zipfile_serialization=False)
    digits = hashlib.sha256(draft.read_bytes()).hexdigest()[:8]
    path = draft.rename(tmp_path / f"tiny-2015-12-05-{digits}.pth")
    return path.as_uri(), path


def test_taken_from_the_folder_that_the_environment_names(published, tmp_path, monkeypatch):
    _, path = published
    monkeypatch.setenv("UNIDAD_WEIGHTS", str(tmp_path))
    found = published_weights(f"https://example.org/{path.name}")
    assert torch.equal(found["conv.weight"], WEIGHTS["conv.weight"])


def test_downloaded_once_into_the_cache(published, tmp_path, monkeypatch):
    url, path = published
    monkeypatch.delenv("UNIDAD_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    published_weights(url)
    assert [f.name for f in (tmp_path / "hub" / "checkpoints").iterdir()] == [path.name]
    path.unlink()
    assert torch.equal(published_weights(url)["conv.weight"], WEIGHTS["conv.weight"])


def test_absent_from_the_folder_or_offline_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    url = (tmp_path / "nowhere" / "tiny-00000000.pth").as_uri()
    monkeypatch.delenv("UNIDAD_WEIGHTS", raising=False)
    with pytest.raises(UserError, match=rf"^tiny-00000000.pth: could not .* {url} .*_WEIGHTS$"):
        published_weights(url)
    assert list((tmp_path / "hub" / "checkpoints").iterdir()) == []
    monkeypatch.setenv("UNIDAD_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match=rf"{tmp_path}/tiny-00000000.pth: no such file; .*{url}"):
        published_weights(url)


def test_another_content_is_refused_before_it_is_read(published, tmp_path, monkeypatch):
    url, path = published
    path.write_bytes(b"cut off")
    monkeypatch.setenv("UNIDAD_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match=rf"SHA-256 starts with .* not with {path.stem[-8:]}"):
        published_weights(url)
    monkeypatch.delenv("UNIDAD_WEIGHTS")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    with pytest.raises(UserError, match=r"could not be downloaded .*invalid hash"):
        published_weights(url)
