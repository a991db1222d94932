import pytest
import torch
from diffusers import StableDiffusionPipeline

from unidad.errors import UserError
from unidad.networks.text_to_image_folder import load_text_encoder


@pytest.fixture
def text(stable_diffusion):
    return load_text_encoder(stable_diffusion)


def test_embeddings_are_those_of_the_stable_diffusion_pipeline(text, stable_diffusion):
    pipeline = StableDiffusionPipeline.from_pretrained(stable_diffusion)
    prompts = ["a photo of a prt dog", "", "a cat"]
    expected, _ = pipeline.encode_prompt(prompts, "cpu", 1, False)
    embeddings = text(prompts)
    assert embeddings.shape == (3, 77, 32)
    assert torch.equal(embeddings, expected)
    assert not embeddings.requires_grad


def test_a_prompt_is_encoded_once_and_the_order_is_kept(text):
    seen = []
    text.model.register_forward_hook(lambda m, a, out: seen.append(len(out.last_hidden_state)))
    first = text(["a cat", "a dog", "a cat"])
    assert seen == [2]
    again = text(["a dog", "", "a cat"])
    assert seen == [2, 1]
    assert torch.equal(first[0], first[2])
    assert torch.equal(again[[0, 2]], first[[1, 0]])
    assert not torch.equal(first[0], first[1])


def test_whole_words_pass(text):
    text.check_words("prt", "rare token")
    text.check_words("photo cat", "class")


@pytest.mark.parametrize(
    ("phrase", "complaint"),
    [
        ("zebra", r"class 'zebra': 'zebra' is not one token but z \+ e \+ b \+ r \+ a; choose"),
        ("cat of prey", r"class 'cat of prey': 'prey' is not one token but pr \+ e \+ y;"),
        ("!", "class '!': '!' is not one token but <|endoftext|>;"),
        (" ", "class is empty"),
    ],
)
def test_split_and_unknown_words_are_named(text, phrase, complaint):
    with pytest.raises(UserError, match=complaint) as error:
        text.check_words(phrase, "class")
    assert len(str(error.value).splitlines()) == 1


def test_the_longest_prompt_fits_and_one_more_word_does_not(text):
    assert text(["a " * 75]).shape == (1, 77, 32)
    with pytest.raises(UserError, match=r"prompt of 78 tokens, at most 77 fit: 'a a a.*; shorten"):
        text(["a " * 76])
