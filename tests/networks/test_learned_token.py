"""One learned word of a frozen text encoder."""

import pytest
import torch

from unidad.errors import UserError
from unidad.networks.learned_token import LearnedToken
from unidad.networks.text_to_image_folder import load_text_encoder


@pytest.fixture
def text(stable_diffusion):
    return load_text_encoder(stable_diffusion)


def rows(text, *words):
    numbers = [text.tokenizer.convert_tokens_to_ids(f"{word}</w>") for word in words]
    return text.model.get_input_embeddings().weight[numbers]


def test_it_starts_from_the_mean_of_the_words_and_the_encoder_stays(text):
    before = text.model.get_input_embeddings().weight.clone()
    token = LearnedToken(text, "prt", "cat")
    assert torch.equal(token.embedding, rows(text, "cat")[0])
    of_two = LearnedToken(text, "prt", "photo cat")
    torch.testing.assert_close(of_two.embedding, rows(text, "photo", "cat").mean(0))
    assert torch.equal(LearnedToken(text, "prt", "prt").embedding, rows(text, "prt")[0])
    assert torch.equal(text.model.get_input_embeddings().weight, before)


@torch.no_grad()
def test_a_prompt_is_embedded_as_by_an_encoder_with_that_row(text):
    token = LearnedToken(text, "prt", "prt")
    torch.testing.assert_close(token("a prt cat"), text(["a prt cat"]))
    token.embedding.add_(0.1 * torch.randn(32))
    learned = token("a prt cat")
    assert (learned - text(["a prt cat"])).abs().max() > 0.01
    torch.testing.assert_close(token.text_encoder()(["a prt cat"]), learned)
    torch.testing.assert_close(token.text_encoder()(["a cat"]), text(["a cat"]))
    table = token.text_encoder().model.get_input_embeddings().weight
    changed = (table != text.model.get_input_embeddings().weight).any(1).nonzero().flatten()
    assert changed.tolist() == [token.number]


def test_the_embedding_alone_learns(text):
    token = LearnedToken(text, "prt", "cat")
    assert [name for name, _ in token.named_parameters()] == ["embedding"]
    assert list(token.state_dict()) == ["embedding"]
    optimiser = torch.optim.SGD(token.parameters(), lr=1.0)
    before = text.model.state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    start = token.embedding.detach().clone()
    token("a prt cat").square().sum().backward()
    optimiser.step()
    assert not torch.equal(token.embedding, start)
    assert all(torch.equal(before[name], t) for name, t in text.model.state_dict().items())
    assert all(parameter.grad is None for parameter in text.model.parameters())


def test_its_gradient_is_that_of_finite_differences(text):
    text.model.double()
    token = LearnedToken(text, "prt", "cat").double()
    direction = torch.randn(32, dtype=torch.float64)

    def value(step):
        with torch.no_grad():
            token.embedding.copy_(start + step * direction)
        return token("a photo of a prt cat")[:, :7].pow(3).sum()

    start = token.embedding.detach().clone()
    value(0.0).backward()
    slope = (value(1e-5) - value(-1e-5)).item() / 2e-5
    assert (token.embedding.grad @ direction).item() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize(
    ("word", "prompt", "complaint"),
    [
        ("prt", "a cat", "'a cat' does not contain the learned word 'prt'"),
        ("xyz", "a xyz cat", "'xyz' is 3 tokens, and one is learned"),
        ("prt", "a prt " + "cat " * 75, "prompt of 79 tokens, at most 77 fit"),
    ],
)
def test_unfit_words_and_prompts_are_one_clear_line(text, word, prompt, complaint):
    with pytest.raises(UserError, match=complaint) as error:
        LearnedToken(text, word, "cat")(prompt)
    assert len(str(error.value).splitlines()) == 1
