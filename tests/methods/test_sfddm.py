"""SFDDM: the teacher's steps within one of the student's, and the two distances."""

import pytest
import torch

from unidad.data.image_set import ImageSet, to_tensor
from unidad.diffusion.samplers import ode_step
from unidad.networks.guidance import Guided
from unidad.training.build import build_method


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def real_batch(method, spec, count=3):
    images = to_tensor(ImageSet.load(spec.data).images[:count])
    return method.batch(method.student.codec.encode(images))


@pytest.mark.parametrize("ratio", [1, 3])
def test_a_fold_is_so_many_steps_of_the_teacher(make_spec, ratio):
    """The middle levels of 5 → 0.03125 and 0.03125 → 0, evenly spaced in their seventh roots."""
    spec = make_spec("sfddm", ratio=ratio)
    method = build_method(spec)
    batch = real_batch(method, spec, 2)
    sigma, following = torch.tensor([5.0, 0.03125]), torch.tensor([0.03125, 0.0])
    assert method.student_levels.tolist() == [5.0, 0.03125]
    x = batch.x0 + 5 * torch.randn(batch.x0.shape, generator=generator())
    found = method.fold(x, sigma, following, None)
    for i in range(2):
        own, level = x[i : i + 1], sigma[i : i + 1]
        for part in range(1, ratio + 1):
            root = sigma[i] ** (1 / 7) * (1 - part / ratio) + following[i] ** (1 / 7) * part / ratio
            with torch.no_grad():
                own = ode_step(method.teacher, own, level, root[None] ** 7)
            level = root[None] ** 7
        assert torch.allclose(found.hidden[i], own[0], atol=1e-4)
        with torch.no_grad():
            output = own if i == 1 else method.teacher(own, level)
        assert torch.allclose(found.output[i], output[0], atol=1e-4)


def test_the_losses_are_the_distances_to_the_fold(make_spec):
    """Made again from the step's draws; the third image is at the last level, or none is."""
    spec = make_spec("sfddm", ratio=2, output_weight=0.5, hidden_weight=2.0, hidden_distance="kl")
    method = build_method(spec)
    batch = real_batch(method, spec)
    (output,) = method.step(batch, 0, generator(4))
    draws = generator(4)
    number = torch.randint(0, 2, (3,), generator=draws)
    assert 0 < number.sum() < 3, "choose a seed with both levels"
    levels = torch.tensor([5.0, 0.03125, 0.0])
    sigma, following = levels[number], levels[number + 1]
    ratio = (following / sigma).reshape(3, 1, 1, 1)
    eps = torch.randn(batch.x0.shape, generator=draws)
    x = batch.x0 + sigma.reshape(3, 1, 1, 1) * eps
    goal = method.fold(x, sigma, following, None)
    with torch.no_grad():
        x0 = method.student(x, sigma)
    of_output = ((x0 - goal.output) ** 2).mean().item()
    gap = (((1 - ratio) * x0 + ratio * x - goal.hidden) ** 2).flatten(1).mean(1)
    of_hidden = (gap[number == 0] / (2 * 0.03125**2)).sum().item() / 3
    assert output.losses["output"].item() == pytest.approx(of_output, rel=1e-4)
    assert output.losses["hidden"].item() == pytest.approx(of_hidden, rel=1e-4)
    assert output.total.item() == pytest.approx(0.5 * of_output + 2 * of_hidden, rel=1e-4)


def test_a_perfect_student_of_ratio_one_has_the_teacher_s_hidden_variables(make_spec):
    """Student and teacher have the same weights here, and each takes one step."""
    spec = make_spec("sfddm", ratio=1)
    method = build_method(spec)
    (output,) = method.step(real_batch(method, spec), 0, generator(4))
    assert output.losses["hidden"].item() == pytest.approx(0, abs=1e-9)


def test_one_step_has_no_hidden_variable_and_takes_the_guidance_in(make_subject_spec):
    spec = make_subject_spec("sfddm", settings={"guidance_scale": 3}, ratio=1)
    method = build_method(spec)
    batch = real_batch(method, spec)
    (output,) = method.step(batch, 0, generator())
    assert set(output.losses) == {"output"}
    sigma = method.student_levels.expand(3)
    x = batch.x0 + sigma[0] * torch.randn(batch.x0.shape, generator=generator())
    fold = method.fold(x, sigma, torch.zeros(3), batch.condition)
    with torch.no_grad():
        expected = Guided(method.teacher, method.conditions.null, 3)(x, sigma, batch.condition)
    assert torch.allclose(fold.output, expected, atol=1e-4)
