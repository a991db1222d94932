from pathlib import Path

from unidad.experiment.reference import FIRST, reference

ROOT = Path(__file__).parents[2]


def test_the_page_in_the_repository_is_in_step():
    assert (ROOT / "docs/configuration.md").read_text() == reference()


def test_the_ten_that_most_people_touch_come_first():
    lines = [line for line in reference().splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in lines[:10]] == list(FIRST)


def test_a_key_tells_its_default_its_values_and_whose_it_is():
    page = reference()
    assert '| `gan_loss` | `"bce"` | Adversarial loss. One of "bce", "hinge", ' in page
    assert "| `ema_decay` | `0.995` |" in page
    (near,) = [line for line in page.splitlines() if line.startswith("| `near` ")]
    assert near.endswith("*Only few-shot generation.* |")
    assert "## `variants.<echodistill>`" in page
