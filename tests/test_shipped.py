"""What ships with the project is what its cards say."""

import hashlib
import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from unidad.data.image_set import to_tensor, to_uint8
from unidad.diffusion.process import add_noise
from unidad.errors import UserError
from unidad.experiment.load import load_config
from unidad.features.clip import load_clip
from unidad.features.feature_network import load_feature_network
from unidad.files import SEAL, SEALED, read_json
from unidad.methods.specs import load_spec
from unidad.metrics.frechet import frechet_distance
from unidad.networks.registry import load_backbone
from unidad.networks.text_to_image_folder import (
    load_codec,
    load_text_encoder,
)
from unidad.networks.weights import read_weights
from unidad.pipeline import UnidadPipeline
from unidad.shipped import (
    SHIPPED_FEATURE_NETWORK,
    SHIPPED_SCENE_NETWORK,
    SHIPPED_SOURCE_STUDENT,
    SHIPPED_SOURCE_TEACHER,
    SHIPPED_TEXT_TO_IMAGE,
)
from unidad.synthetic.clip_fitness import clip_fitness
from unidad.synthetic.faces import render
from unidad.synthetic.recipes import SceneModels
from unidad.synthetic.scene_tokenizer import MAX_LENGTH, scene_tokenizer
from unidad.synthetic.scenes import render as render_scenes
from unidad.synthetic.scenes import source_scenes

SHIPPED = SHIPPED_FEATURE_NETWORK.parent
CLIPS = ("clip", "alignment")
WEIGHTS = {
    SHIPPED_SOURCE_TEACHER: "unet/diffusion_pytorch_model.safetensors",
    SHIPPED_SOURCE_STUDENT: "unet/diffusion_pytorch_model.safetensors",
    **dict.fromkeys(SHIPPED_TEXT_TO_IMAGE.values(), "unet/diffusion_pytorch_model.safetensors"),
    SHIPPED_FEATURE_NETWORK: "model.safetensors",
    SHIPPED_SCENE_NETWORK: "model.safetensors",
    **{SHIPPED / f"synthetic-scenes-{name}": "model.safetensors" for name in CLIPS},
}
ALL_WEIGHTS = sorted(SHIPPED.rglob("*.safetensors"))
SPECS = {"source_teacher": "scenes_source", "source_student": "scenes_student"}


@pytest.mark.parametrize("path", ALL_WEIGHTS, ids=lambda path: str(path.relative_to(SHIPPED)))
def test_a_flipped_bit_of_weights_is_refused(path, tmp_path):
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    damaged = tmp_path / path.name
    damaged.write_bytes(data)
    with pytest.raises(UserError, match="its content has changed since it was written"):
        read_weights(damaged)


@pytest.mark.parametrize("name", SEALED)
def test_what_says_how_weights_are_read_is_sealed(name):
    """A misspelled key of a library's configuration is passed over: another network, silently."""
    found = [path for path in SHIPPED.rglob(name) if path.parent.name != "tokenizer"]
    assert found or name == "drawing.json"
    for path in found:
        assert SEAL in json.loads(path.read_text()), path
        read_json(path, "")


@pytest.mark.parametrize("folder", WEIGHTS, ids=lambda folder: folder.name)
def test_weights_are_those_of_the_card_small_and_bfloat16(folder):
    weights = folder / WEIGHTS[folder]
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert digest in (folder / "README.md").read_text()
    assert weights.stat().st_size < 16e6
    floats = {tensor.dtype for tensor in load_file(weights).values()}
    assert floats == {torch.bfloat16}


@pytest.mark.parametrize("name", CLIPS)
def test_clips_know_todays_renderer_and_words(name):
    """Fails if the renderer, the grammar or the tokenizer changed since they were trained."""
    clip = load_clip(SHIPPED / f"synthetic-scenes-{name}")
    assert clip.tokenizer.get_vocab() == scene_tokenizer().get_vocab()
    assert clip.tokenizer.model_max_length == MAX_LENGTH
    rows = {row["wrong_in"]: row for row in clip_fitness(clip, 60)}
    assert rows["context"]["first"] == 1
    assert rows["property"]["first"] > 0.9
    assert rows["any"]["first"] > 0.9
    assert rows["category"]["first"] > 0.8
    assert min(row["beaten"] for row in rows.values()) > 0.9


def test_the_two_clips_share_no_weights():
    measures, conditions = (load_clip(SHIPPED / f"synthetic-scenes-{name}") for name in CLIPS)
    rows = [clip.texts(["a cat in the snow"]) for clip in (measures, conditions)]
    assert abs(rows[0] @ rows[1].T) < 0.5


def test_card_names_the_configured_training():
    card = (SHIPPED_SOURCE_TEACHER / "README.md").read_text()
    training = load_config("config.yaml").source_training
    assert f"{training.student_updates * training.batch_size:,}" in card
    assert re.search(r"commit.*[0-9a-f]{7}", card)


def test_source_teacher_denoises_held_out_faces():
    """At sigma 0.5 its x0 is far nearer to the truth than the noisy image or the mean face."""
    faces = to_tensor(render("faces", 0, range(1_000_000, 1_000_032), 64).images)
    network = load_backbone(SHIPPED_SOURCE_TEACHER)
    x0 = network.codec.encode(faces)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    sigma = torch.full((len(x0),), 0.5)
    with torch.no_grad():
        error = (network(add_noise(x0, eps, sigma), sigma) - x0).square().mean()
    assert error < 0.1 * 0.25
    assert error < 0.2 * (x0 - x0.mean(0)).square().mean()


def test_the_faces_student_s_card_names_the_configured_training():
    variant = load_config("configs/source.yaml").variants["DMD2"]
    card, training = (SHIPPED_SOURCE_STUDENT / "README.md").read_text(), variant.training
    assert f"student updates: {training.student_updates:,}" in card
    assert f"training images seen: {training.student_updates * training.batch_size:,}" in card
    assert f"network evaluations an image: {variant.nfe}" in card


def test_the_faces_student_draws_faces_in_three_steps():
    """Ten times nearer to faces than babies are."""
    network = load_feature_network(SHIPPED_FEATURE_NETWORK)
    drawn = UnidadPipeline.from_pretrained(SHIPPED_SOURCE_STUDENT)(
        batch_size=100, seed=0, output_type="np"
    )
    real = network.features(render("faces", 0, range(100), 64).images)["pooled"]
    babies = network.features(render("babies", 0, range(100), 64).images)["pooled"]
    found = network.features(np.asarray(drawn.images))["pooled"]
    assert frechet_distance(found, real) < 0.1 * frechet_distance(babies, real)


def test_feature_network_separates_domains():
    network = load_feature_network(SHIPPED_FEATURE_NETWORK)
    pooled = {
        (domain, start): network.features(render(domain, 0, range(start, start + 400)).images)[
            "pooled"
        ]
        for domain, start in [("babies", 0), ("babies", 5000), ("faces", 0)]
    }
    same = frechet_distance(pooled["babies", 0], pooled["babies", 5000])
    other = frechet_distance(pooled["babies", 0], pooled["faces", 0])
    assert other > 50 * same
    assert np.isfinite(same)


def test_text_to_image_models_are_small_together():
    files = [path for folder in SHIPPED_TEXT_TO_IMAGE.values() for path in folder.rglob("*")]
    assert sum(path.stat().st_size for path in files if path.is_file()) < 40e6


@pytest.mark.parametrize(("name", "folder"), SHIPPED_TEXT_TO_IMAGE.items())
def test_cards_of_text_to_image_models_name_the_specified_training(name, folder):
    spec = load_spec(f"configs/specs/{SPECS[name]}.json")
    card, training = (folder / "README.md").read_text(), spec.variant.training
    assert f"student updates: {training.student_updates:,}" in card
    assert f"training images seen: {training.student_updates * training.batch_size:,}" in card
    assert f"method: {spec.variant.method}" in card
    assert f"network evaluations an image: {spec.variant.nfe}" in card


@pytest.mark.parametrize(("name", "key"), [("clip", "clip"), ("alignment", "text_clip")])
def test_cards_of_clips_name_the_configured_training(name, key):
    folder, settings = SHIPPED / f"synthetic-scenes-{name}", getattr(SceneModels(), key)
    card = (folder / "README.md").read_text()
    assert f"- updates: {settings.updates} of up to {settings.batch_size} of " in card
    assert f" of {2 * settings.scenes:,} scenes\n- seed: {settings.seed}\n" in card
    assert load_clip(folder).model.config.vision_config.patch_size == settings.patch_size


def test_card_of_the_scene_network_names_the_configured_training():
    card, settings = (SHIPPED_SCENE_NETWORK / "README.md").read_text(), SceneModels().encoder
    assert f"- seed: {settings.seed}\n" in card
    assert f"- updates: {settings.updates:,}, each" in card
    assert f"each of {settings.instances:,} instances" in card


def test_blocks_of_the_text_to_image_models_are_the_configured_ones():
    folder = SHIPPED_TEXT_TO_IMAGE["source_teacher"]
    network = load_backbone(folder, codec=load_codec(folder))
    assert tuple(network.model.config.block_out_channels) == SceneModels().channels


@torch.no_grad()
@pytest.mark.parametrize("folder", SHIPPED_TEXT_TO_IMAGE.values(), ids=lambda f: f.name)
def test_captions_control_what_is_drawn(folder):
    """In one step, CLIP finds each caption's own image among those of others; 3 % by chance."""
    network, text = load_backbone(folder, codec=load_codec(folder)), load_text_encoder(folder)
    captions = source_scenes(0, range(1_000_000, 1_000_032)).captions()
    noise = torch.randn(32, *network.shape, generator=torch.Generator().manual_seed(0))
    sigma = torch.full((32,), network.sigma_max)
    drawn = to_uint8(network.codec.decode(network(sigma[0] * noise, sigma, text(captions))))
    clip = load_clip(SHIPPED / "synthetic-scenes-clip")
    similar = clip.images(drawn) @ clip.texts(captions).T
    assert (similar.argmax(1) == np.arange(32)).mean() > 0.8


@torch.no_grad()
def test_autoencoder_keeps_held_out_scenes():
    """Latents of unit variance; the card of its training says 24 dB."""
    codec = load_codec(SHIPPED_TEXT_TO_IMAGE["source_teacher"])
    images = to_tensor(render_scenes(source_scenes(0, range(1_000_000, 1_000_064))))
    x0 = codec.encode(images)
    assert x0.std().item() == pytest.approx(1, abs=0.1)
    error = (codec.decode(x0).clamp(-1, 1) - images).square().mean().item()
    assert 10 * np.log10(4 / error) > 23
