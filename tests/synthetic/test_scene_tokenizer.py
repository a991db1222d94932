import pytest
from transformers import CLIPTextConfig, CLIPTextModel

from unidad.networks.text import TextEncoder
from unidad.networks.text_to_image_folder import load_tokenizer, save_tokenizer
from unidad.synthetic.scene_tokenizer import MAX_LENGTH, scene_tokenizer
from unidad.synthetic.scenes import (
    ACCESSORIES,
    CATEGORIES,
    CONTEXTS,
    PROPERTIES,
    RARE_TOKEN,
    Description,
    source_scenes,
)

PHRASES = (*CATEGORIES, *PROPERTIES, *ACCESSORIES, *CONTEXTS, RARE_TOKEN, "a")
FULL = Description("cat", CONTEXTS[15], "cube shaped", ACCESSORIES[3]).caption(RARE_TOKEN)


@pytest.fixture(scope="module")
def tokenizer():
    return scene_tokenizer()


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_word_of_the_grammar_is_one_token(tokenizer, phrase):
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=4,
        intermediate_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
    )
    TextEncoder(tokenizer, CLIPTextModel(config)).check_words(phrase, "phrase")


def test_the_longest_prompt_just_fits(tokenizer):
    """Words add up, so the longest parts make the longest prompt."""
    longest = sum(max(len(p.split()) for p in part) for part in (PROPERTIES, ACCESSORIES, CONTEXTS))
    assert len(FULL.split()) == longest + len(("a", RARE_TOKEN, "cat"))
    assert len(tokenizer(FULL).input_ids) == len(FULL.split()) + 2 == MAX_LENGTH
    assert tokenizer.model_max_length == MAX_LENGTH


def test_no_source_caption_holds_the_rare_token(tokenizer):
    rare = tokenizer.convert_tokens_to_ids(f"{RARE_TOKEN}</w>")
    assert rare in tokenizer(FULL).input_ids
    captions = source_scenes(0, range(500)).captions()
    assert all(rare not in ids for ids in tokenizer(captions).input_ids)


@pytest.mark.parametrize("absent", [("vocab.json", "merges.txt"), ("tokenizer.json",)])
def test_old_and_new_files_say_the_same(tokenizer, tmp_path, absent):
    save_tokenizer(tokenizer, tmp_path)
    for name in absent:
        (tmp_path / name).unlink()
    loaded = load_tokenizer(tmp_path)
    assert loaded(FULL).input_ids == tokenizer(FULL).input_ids
    assert loaded.model_max_length == MAX_LENGTH
    assert loaded.get_vocab() == tokenizer.get_vocab() == scene_tokenizer().get_vocab()
