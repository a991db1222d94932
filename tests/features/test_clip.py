import numpy as np
import pytest
import torch
from json_files import change_json
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor, CLIPModel

from unidad.data.image_set import to_tensor
from unidad.errors import UserError
from unidad.features.clip import load_clip, save_clip

PROMPTS = ["a wet boot in the jungle", "a cat", "a wet boot in the jungle"]


@pytest.fixture
def folder(clip, tmp_path):
    save_clip(clip, tmp_path / "clip")
    return tmp_path / "clip"


def pictures(*shape) -> np.ndarray:
    """Smooth colours: resizing in uint8 or in float then differs by rounding alone."""
    noise = torch.rand(shape[0], 3, 3, 3, generator=torch.Generator().manual_seed(1))
    smooth = torch.nn.functional.interpolate(noise, shape[1:], mode="bilinear")
    return (255 * smooth).byte().permute(0, 2, 3, 1).numpy()


def test_a_folder_says_what_was_saved(clip, folder):
    loaded = load_clip(folder)
    assert loaded.fingerprint == clip.fingerprint
    images = pictures(3, 16, 16)
    np.testing.assert_array_equal(loaded.images(images), clip.images(images))
    np.testing.assert_array_equal(loaded.texts(PROMPTS), clip.texts(PROMPTS))
    assert {t.dtype for t in load_file(folder / "model.safetensors").values()} == {torch.bfloat16}


def test_embeddings_are_those_of_transformers_reading_the_same_folder(clip, folder):
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    images = pictures(3, 16, 16)
    pixels = CLIPImageProcessor.from_pretrained(folder)(list(images), return_tensors="pt")
    tokens = clip.tokenizer(PROMPTS, padding="max_length", max_length=24, return_tensors="pt")
    with torch.no_grad():
        expected = model(**pixels, **tokens)
    ours = clip.images(images), clip.texts(PROMPTS)
    for found, theirs in zip(ours, (expected.image_embeds, expected.text_embeds), strict=True):
        np.testing.assert_allclose(found, theirs, atol=2e-6)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert abs(ours[1][0] - ours[1][1]).max() > 0.01


@pytest.mark.parametrize("shape", [(2, 40, 56), (2, 75, 33), (2, 9, 12)])
def test_larger_and_smaller_images_are_resized_and_cropped_as_transformers_does(clip, shape):
    images = pictures(*shape)
    processor = CLIPImageProcessor(
        size={"shortest_edge": 16},
        crop_size={"height": 16, "width": 16},
        image_mean=clip.mean.flatten().tolist(),
        image_std=clip.std.flatten().tolist(),
    )
    theirs = processor([Image.fromarray(i) for i in images], return_tensors="pt").pixel_values
    ours = clip.preprocessed(to_tensor(images))
    assert (ours - theirs).abs().max() < 1.01 / 255 / clip.std.min()


def test_many_images_are_embedded_in_batches(clip, monkeypatch):
    images = pictures(5, 16, 16)
    whole, texts = clip.images(images), clip.texts(PROMPTS)
    monkeypatch.setattr("unidad.features.clip.BATCH", 1)
    np.testing.assert_allclose(clip.images(images), whole, atol=1e-6)
    np.testing.assert_allclose(clip.texts(PROMPTS), texts, atol=1e-6)
    with pytest.raises(UserError, match="no images"):
        clip.images(images[:0])


def test_image_tokens_lead_to_the_embedding_and_carry_gradients(clip):
    x = to_tensor(pictures(2, 20, 20)).requires_grad_()
    tokens = clip.tokens(x)
    assert tokens.shape == (2, 1 + 4, 16)
    pooled = clip.model.vision_model.post_layernorm(tokens[:, 0])
    row = torch.nn.functional.normalize(clip.model.visual_projection(pooled), dim=1)
    np.testing.assert_allclose(row.detach(), clip.images(pictures(2, 20, 20)), atol=1e-6)
    weights = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(2))
    (tokens * weights).sum().backward()
    step = 1e-2 * x.grad / x.grad.norm()
    with torch.no_grad():
        change = ((clip.tokens(x + step) - clip.tokens(x - step)) * weights).sum() / 2
    torch.testing.assert_close(change, 1e-2 * x.grad.norm(), rtol=0.02, atol=0)


def test_a_prompt_too_long_loses_its_end(clip):
    rows = clip.texts(["a cat " + "in the snow " * number for number in (6, 7, 8)])
    assert abs(rows[0] - rows[1]).max() > 1e-3
    np.testing.assert_array_equal(rows[1], rows[2])


def test_weights_of_an_older_release(clip, folder):
    """OpenAI's own folders hold a pickle of tensors, with positions among them."""
    state = load_file(folder / "model.safetensors")
    state["text_model.embeddings.position_ids"] = torch.arange(24)[None]
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert load_clip(folder).fingerprint == clip.fingerprint


def without(path, name) -> None:
    state = load_file(path)
    del state[name]
    save_file(state, path)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda f: (f / "preprocessor_config.json").unlink(), "preprocessor_config.json: no such"),
        (lambda f: (f / "config.json").unlink(), "config.json: no such file; a CLIP folder holds"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors: weights are missing"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), "not a readable safetensors"),
        (lambda f: without(f / "model.safetensors", "logit_scale"), "no 'logit_scale' in the file"),
        (lambda f: change_json(f / "config.json", model_type="bert"), "expected clip, found bert"),
        (
            lambda f: change_json(f / "config.json", text_config={"hidden_size": 7}),
            "no model of this",
        ),
        (
            lambda f: change_json(f / "preprocessor_config.json", image_mean=[0.5]),
            "image_mean and image_std must be three numbers",
        ),
        (
            lambda f: [(f / name).unlink() for name in ("tokenizer.json", "vocab.json")],
            "no tokenizer.json, nor vocab.json with merges.txt; a CLIP folder holds",
        ),
    ],
)
def test_a_folder_that_is_none(folder, damage, complaint):
    damage(folder)
    with pytest.raises(UserError, match=complaint) as error:
        load_clip(folder)
    assert len(str(error.value).splitlines()) == 1
