"""What EchoDistill's networks read in training, and where the learned word starts."""

import json

import pytest
import torch

from unidad.data.image_set import ImageSet
from unidad.data.prompts import read_prompts, templates_file
from unidad.errors import UserError
from unidad.networks.text_to_image_folder import load_text_encoder
from unidad.training.build import build_method
from unidad.training.run import fingerprint, train

TEMPLATES = ("a photo of a {}", "photo of {}")


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def templates(tmp_path):
    (tmp_path / "templates.txt").write_text("\n".join(TEMPLATES))
    return str(tmp_path / "templates.txt")


def test_the_27_templates_of_textual_inversion():
    found = read_prompts(templates_file("textual_inversion"))
    assert len(set(found)) == len(found) == 27
    assert {"a photo of a {}", "a rendition of the {}", "a photo of my {}"} < set(found)


@torch.no_grad()
def test_each_image_reads_a_template_that_is_drawn_for_it(make_echo_spec, templates):
    spec = make_echo_spec(prompt_templates=templates)
    conditions = build_method(spec).conditions
    chosen = torch.randint(0, 2, (8,), generator=generator(1)).tolist()
    assert set(chosen) == {0, 1}
    text = load_text_encoder(spec.student)
    text.model.get_input_embeddings().weight[conditions.token.number] = conditions.token.embedding
    prompts = [template.replace("{}", "prt cat") for template in TEMPLATES]
    expected = text([prompts[number] for number in chosen])
    torch.testing.assert_close(conditions.drawn(8, generator(1)), expected)
    torch.testing.assert_close(conditions.target, text(["a prt cat"]))


def read_in_a_step(spec, seed):
    """Conditions of the trained teacher's and of the student's first pass."""
    method = build_method(spec)
    seen = {}
    for name in ("teacher", "student"):

        def note(_, inputs, given, name=name):
            seen.setdefault(name, (*inputs, *given.values())[-1])

        getattr(method, name).register_forward_pre_hook(note, with_kwargs=True)
    pixels = torch.from_numpy(ImageSet.load(spec.data).images[:2]).permute(0, 3, 1, 2) / 127.5 - 1
    batch = method.batch(method.student.codec.encode(pixels))
    list(method.step(batch, 0, generator(seed)))
    return method.conditions, seen


@torch.no_grad()
def test_teacher_and_student_read_templates_in_training(make_echo_spec, templates):
    conditions, seen = read_in_a_step(make_echo_spec(prompt_templates=templates, echo_rounds=0), 3)
    both = [conditions.token(t.replace("{}", "prt cat")) for t in TEMPLATES]
    for read in seen.values():
        assert all(any(torch.allclose(row, known[0]) for known in both) for row in read)
    conditions, seen = read_in_a_step(make_echo_spec(echo_rounds=0), 3)
    for read in seen.values():
        torch.testing.assert_close(read, conditions.first(2))


def test_other_templates_are_another_run_and_none_leave_it_as_it_was(
    make_echo_spec, templates, tmp_path
):
    plain = json.loads(make_echo_spec().model_dump_json())
    assert "prompt_templates" not in plain["variant"]
    assert "word_start" not in plain["text_to_image"]["prompts"]
    spec = make_echo_spec(prompt_templates=templates)
    before = fingerprint(spec)
    (tmp_path / "templates.txt").write_text("a {}\n")
    assert fingerprint(spec) != before


def test_templates_that_are_not_there_are_one_line(make_echo_spec, tmp_path):
    spec = make_echo_spec(prompt_templates=str(tmp_path / "none.txt"))
    with pytest.raises(UserError, match=r"none\.txt") as error:
        train(spec, tmp_path / "run", progress=False)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("words", ["dog", "dog photo"])
def test_the_word_starts_as_the_subject_says(make_echo_spec, words):
    prompts = {"class_word": "cat", "target": "a prt cat", "source": "a cat", "word_start": words}
    token = build_method(make_echo_spec(settings={"prompts": prompts})).conditions.token
    text = token.text
    numbers = text.tokenizer.convert_tokens_to_ids(text.tokenizer.tokenize(words))
    assert len(numbers) == len(words.split())
    expected = text.model.get_input_embeddings().weight[numbers].mean(0)
    torch.testing.assert_close(token.embedding.detach(), expected.detach())


def test_a_start_that_the_tokenizer_splits_is_one_line(make_echo_spec):
    prompts = {"class_word": "cat", "target": "a prt cat", "source": "a cat", "word_start": "corgi"}
    with pytest.raises(UserError, match=r"prompts.word_start 'corgi'"):
        build_method(make_echo_spec(settings={"prompts": prompts}))
