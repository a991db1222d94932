"""What saves memory leaves the gradients as they are."""

import pytest
import torch

from unidad.data.image_set import ImageSet
from unidad.methods import build_method
from unidad.trainer import Trainer

BRIEF = {"batch_size": 4, "learning_rate": 1e-4}


def trainer_of(spec, folder) -> Trainer:
    return Trainer(spec, build_method(spec), ImageSet.load(spec.data), folder, progress=False)


def gradients(trainer: Trainer, iterations: int) -> list[tuple[str, torch.Tensor]]:
    """(group, gradient as one vector) of every update, in order."""
    found = []
    for group, optimiser in trainer.optimisers.items():

        def keep(*_, group=group):
            rows = [p.grad.flatten() for p in trainer.parameters[group] if p.grad is not None]
            found.append((group, torch.cat(rows).cpu()))

        optimiser.register_step_pre_hook(keep)
    for iteration in range(iterations):
        trainer._iterate(iteration)
    return found


def largest_error(found, expected) -> float:
    """Of all updates, relative to the gradient's norm."""
    assert [group for group, _ in found] == [group for group, _ in expected]
    pairs = zip(found, expected, strict=True)
    return max(((a - b).norm() / b.norm()).item() for (_, a), (_, b) in pairs)


@pytest.mark.parametrize(("method", "parts", "updates"), [("finetune", 4, 1), ("unidad", 2, 7)])
def test_parts_of_a_batch_have_its_gradient(make_spec, tmp_path, method, parts, updates):
    whole = trainer_of(make_spec(method, BRIEF), tmp_path / "whole")
    brief = BRIEF | {"gradient_accumulation": parts}
    cut = trainer_of(make_spec(method, brief), tmp_path / "cut")
    sizes = []
    cut.method.student.register_forward_hook(lambda module, inputs, x0: sizes.append(len(x0)))
    rounds = whole.method.iterations_per_student_update
    expected = gradients(whole, rounds)
    assert len(expected) == updates
    assert largest_error(gradients(cut, rounds), expected) < 1e-4
    assert set(sizes) == {4 // parts}


def test_parts_of_echodistill_s_batch(make_echo_spec, tmp_path):
    """The learned word's gradient comes from every part, the echo images are everyone's."""
    brief = BRIEF | {"student_updates": 4}
    whole = trainer_of(make_echo_spec(brief), tmp_path / "whole")
    cut = trainer_of(make_echo_spec(brief | {"gradient_accumulation": 2}), tmp_path / "cut")
    expected = gradients(whole, 4)
    assert len(expected) == 12
    assert largest_error(gradients(cut, 4), expected) < 1e-3
    echoes = [trainer.method.networks["echo"].x0 for trainer in (whole, cut)]
    assert torch.allclose(*echoes, atol=1e-3)


def test_a_batch_that_cannot_be_cut_is_refused(make_spec):
    with pytest.raises(ValueError, match=r"2 images \(batch_size\) cannot be cut into 3 equal"):
        make_spec("finetune", {"gradient_accumulation": 3})
