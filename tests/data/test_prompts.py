import pytest

from unidad.data.prompts import STANDARD, fill, read_prompts, without_token
from unidad.errors import UserError


def test_standard_prompts_are_those_of_the_dreambooth_benchmark():
    objects, live = read_prompts(STANDARD["objects"]), read_prompts(STANDARD["live"])
    assert len(objects) == len(set(objects)) == 25
    assert len(live) == len(set(live)) == 25
    # Both kinds share the first ten contexts and the five properties.
    assert objects[:10] == live[:10]
    assert objects[-5:] == live[-5:]
    assert live[-5:] == ("a red {}", "a purple {}", "a shiny {}", "a wet {}", "a cube shaped {}")
    assert objects[0] == "a {} in the jungle"
    assert objects[12] == "a {} with the Eiffel Tower in the background"
    assert live[10] == "a {} wearing a red hat"
    assert live[13] == "a {} wearing a black top hat and a monocle"


def test_a_prompt_is_filled_with_the_subject():
    assert fill("a red {}", "prt cat") == "a red prt cat"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red prt cat in the snow", "a red cat in the snow"),
        ("a prt cat", "a cat"),
        ("a photo of prt", "a photo of"),
        ("a prts cat, prt's bowl, a sprt car", "a prts cat, prt's bowl, a sprt car"),
    ],
)
def test_a_prompt_without_the_rare_token(prompt, expected):
    assert without_token(prompt, "prt") == expected


def test_both_slots_comments_and_blank_lines_are_understood(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("# my prompts\n\n  a {subject} at sea  \na {} on the moon\n", encoding="utf-8")
    assert read_prompts(path) == ("a {} at sea", "a {} on the moon")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {} at sea\n\na cat at sea\n", r"prompts.txt, line 3: no slot .* 'a cat at sea'"),
        ("a {} and a {subject}\n", "line 1: 2 slots"),
        ("a {} {cat}\n", "line 1: stray brace"),
        ("a {0}\n", "line 1: no slot"),
        ("a {} at sea\na \x07{}\n", r"line 2: a control character is in 'a \\x07\{\}'; leave it"),
        ("a {}\n" * 10_001, "10001 prompts, at most 10000"),
        ("# nothing\n", "no prompt in it; .* 'a red {}'"),
    ],
)
def test_mistakes_in_a_prompt_file_name_file_and_line(tmp_path, text, message):
    path = tmp_path / "prompts.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as error:
        read_prompts(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_unreadable_prompt_files_are_told(tmp_path):
    with pytest.raises(UserError, match=r"none\.txt: No such file"):
        read_prompts(tmp_path / "none.txt")
    (tmp_path / "image.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(UserError, match=r"image\.txt: not a text file in UTF-8"):
        read_prompts(tmp_path / "image.txt")
