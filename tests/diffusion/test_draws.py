import pytest
import torch

from unidad.diffusion.draws import PartGenerator, integers, normal, uniform

DRAWS = {
    "normal": lambda rows, generator: normal((rows, 2, 3), generator),
    "uniform": uniform,
    "integers": lambda rows, generator: integers(5, 1000, rows, generator),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_parts_are_the_rows_of_the_whole(name):
    draw = DRAWS[name]
    whole = draw(12, torch.Generator().manual_seed(7))
    parts = [draw(4, PartGenerator(7, part, 3)) for part in range(3)]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(draw(12, PartGenerator(7)), whole)


def test_values_and_bounds():
    generator = torch.Generator().manual_seed(1)
    assert torch.equal(normal((4, 2), PartGenerator(1)), torch.randn(4, 2, generator=generator))
    drawn = integers(5, 8, 300, PartGenerator(2, 1, 2))
    assert sorted(set(drawn.tolist())) == [5, 6, 7]


def test_stacked_batches_are_cut_each_for_itself():
    """Rows 0-3 are real, 4-7 the student's: the second of two parts has 2, 3 and 6, 7."""
    whole = normal((8, 2), torch.Generator().manual_seed(3))
    assert torch.equal(normal((4, 2), PartGenerator(3, 1, 2), stacked=2), whole[[2, 3, 6, 7]])
    levels = integers(0, 1000, 8, torch.Generator().manual_seed(3))
    part = integers(0, 1000, 4, PartGenerator(3, 0, 2), stacked=2)
    assert torch.equal(part, levels[[0, 1, 4, 5]])


def test_later_draws_stay_in_step():
    """Each part has used up the numbers of the whole batch, and shared draws are equal."""
    first, second = PartGenerator(5, 0, 2), PartGenerator(5, 1, 2)
    assert not torch.equal(uniform(3, first), uniform(3, second))
    assert torch.equal(torch.randn(4, generator=first), torch.randn(4, generator=second))
