import pytest

from unidad.errors import UserError
from unidad.features import pretrained
from unidad.features.pretrained import FOLDER, published_folder
from unidad.features.protocols import (
    PROTOCOLS,
    find_protocol,
)


def test_the_protocols_are_those_of_the_papers():
    names = {name: (p.clip, p.encoder, p.clamp) for name, p in PROTOCOLS.items()}
    assert names["unidad"] == (
        "published:openai/clip-vit-base-patch32",
        "published:facebook/dino-vits16",
        False,
    )
    assert names["echodistill"] == (
        "published:openai/clip-vit-large-patch14-336",
        "published:facebook/dinov2-large",
        True,
    )
    assert names["synthetic"] == (
        "shipped:synthetic-scenes-clip",
        "shipped:synthetic-scenes-features",
        False,
    )
    with pytest.raises(UserError, match="'dreambooth' is unknown; choose one of synthetic, unidad"):
        find_protocol("dreambooth")


def test_a_folder_of_weights_that_lacks_a_model_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(UserError) as error:
        published_folder("facebook/dinov2-large")
    place = tmp_path / "dinov2-large"
    assert str(error.value) == (
        f"{place}: no such model; `hf download facebook/dinov2-large --local-dir {place}` "
        "puts it there"
    )


def test_without_a_network_the_missing_model_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="facebook/dinov2-large: its weights are neither") as error:
        published_folder("facebook/dinov2-large")
    assert FOLDER in str(error.value)
    assert "`hf download facebook/dinov2-large" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_one_format_of_weights_is_fetched(tmp_path, monkeypatch):
    """Not every author publishes safetensors."""
    asked = []

    def fetch(name, allow_patterns):
        asked.append(allow_patterns[-1])
        if allow_patterns[-1] == "pytorch_model.bin":
            (tmp_path / "pytorch_model.bin").touch()
        return str(tmp_path)

    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setattr(pretrained, "snapshot_download", fetch)
    assert published_folder("openai/clip") == tmp_path
    assert asked == ["model.safetensors", "pytorch_model.bin"]
