import pytest

from unidad.metrics.success import part_success, prompt_success

ASKED = {
    "category": ["cat", "cat", "cat", "cat", "dog", "dog"],
    "context": ["", "", "in the snow", "", "on the beach", "on the beach"],
    "property": ["red", "red", "", "", "", ""],
    "accessory": ["", "", "", "wearing pink glasses", "", ""],
}
SEEN = {
    "category": ["cat", "dog", "cat", "cat", "dog", "cat"],
    "context": ["on the beach", "", "in the snow", "", "", "on the beach"],
    "property": ["red", "red", "wet", "", "", ""],
    "accessory": ["", "", "in a chef outfit", "wearing pink glasses", "", ""],
}


def test_shares_by_hand():
    """Wrong: the second's class, the fifth's context, the sixth's class; the rest is not asked."""
    assert prompt_success(SEEN, ASKED) == 3 / 6
    shares = {"category": 4 / 6, "context": 2 / 3, "property": 2 / 2, "accessory": 1 / 1}
    assert {part: part_success(SEEN, ASKED, part) for part in shares} == pytest.approx(shares)


def test_what_no_prompt_asks_for_has_no_value():
    seen, asked = ({part: words[:2] for part, words in w.items()} for w in (SEEN, ASKED))
    shares = {part: part_success(seen, asked, part) for part in asked}
    assert shares == {"category": 0.5, "context": None, "property": 1, "accessory": None}
    assert prompt_success(seen, asked) == 0.5
