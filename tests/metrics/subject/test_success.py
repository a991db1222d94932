import pytest

from unidad.errors import UserError
from unidad.metrics.subject.success import prompt_success

PROMPTS = [
    *("a red cat", "a red cat", "a cat in the snow"),
    *("a cat wearing pink glasses", "a dog on the beach", "a dog on the beach"),
]
SEEN = {
    "category": ["cat", "dog", "cat", "cat", "dog", "cat"],
    "context": ["on the beach", "", "in the snow", "", "", "on the beach"],
    "property": ["red", "red", "wet", "", "", ""],
    "accessory": ["", "", "in a chef outfit", "wearing pink glasses", "", ""],
}


def test_shares_by_hand():
    """Wrong: the second's class, the fifth's context, the sixth's class; the rest is not asked."""
    assert prompt_success(SEEN, PROMPTS) == {
        "prompt_success": 3 / 6,
        "category_success": 4 / 6,
        "context_success": 2 / 3,
        "property_success": 2 / 2,
        "accessory_success": 1 / 1,
    }


def test_what_no_prompt_asks_for_has_no_value():
    seen = {part: words[:2] for part, words in SEEN.items()}
    found = prompt_success(seen, PROMPTS[:2])
    assert {name for name, share in found.items() if share is None} == {
        "context_success",
        "accessory_success",
    }
    assert found["prompt_success"] == 0.5


def test_a_prompt_outside_the_grammar_is_named():
    with pytest.raises(UserError, match="'my cat on the moon' cannot be drawn"):
        prompt_success(SEEN, ["my cat on the moon"] * 6)
