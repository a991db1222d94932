"""Consistency distillation: what it steps from and to, its goal, and its target network."""

import copy

import pytest
import torch

from unidad.data.image_set import ImageSet, to_tensor
from unidad.diffusion.levels import karras_levels
from unidad.networks.guidance import Guided
from unidad.training.build import build_method
from unidad.training.loop import Trainer


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def real_batch(method, spec, count=3):
    images = to_tensor(ImageSet.load(spec.data).images[:count])
    return method.batch(method.student.codec.encode(images))


def moved_apart(method):
    """Student, target and teacher of different weights, as after some training."""
    with torch.no_grad():
        for seed, network in enumerate((method.student, method.target)):
            for weight in network.parameters():
                weight.add_(0.02 * torch.randn(weight.shape, generator=generator(seed)))
    return method


def draws(method, batch, seed):
    """The numbers of the levels, and the noise, that a step draws."""
    generator_ = generator(seed)
    number = torch.randint(1, len(method.schedule), (len(batch.x0),), generator=generator_)
    return number, torch.randn(batch.x0.shape, generator=generator_)


def test_the_schedule_ends_at_zero_and_begins_where_the_student_does(make_spec):
    method = build_method(make_spec("consistency"))
    assert method.schedule[0] == 0
    assert torch.equal(method.schedule[1:], karras_levels(1000, 0.002, 5.0))
    assert method.schedule[-1] == method.student_levels[0]


@pytest.mark.parametrize("distance", ["huber", "l2"])
def test_the_loss_by_hand(make_spec, distance):
    """One DDIM step of the teacher by 300 levels, or to the image; the target's word there."""
    spec = make_spec("consistency", skip=300, distance=distance, huber_width=0.1)
    method = moved_apart(build_method(spec))
    batch = real_batch(method, spec)
    seed = next(s for s in range(99) if 0 < sum(draws(method, batch, s)[0] <= 300) < 3)
    (output,) = list(method.step(batch, 0, generator(seed)))[:1]
    number, eps = draws(method, batch, seed)
    method = moved_apart(build_method(spec))
    expected = []
    for x0, noise, n in zip(batch.x0, eps, number.tolist(), strict=True):
        sigma, lower = method.schedule[n], method.schedule[max(n - 300, 0)]
        x = (x0 + sigma * noise)[None]
        with torch.no_grad():
            slope = (x - method.teacher(x, sigma[None])) / sigma
            ahead = x + (lower - sigma) * slope
            goal = ahead if n <= 300 else method.target(ahead, lower[None])
            difference = method.student(x, sigma[None]) - goal
        squared = difference**2
        huber = (squared + 0.01).sqrt() - 0.1
        expected.append((squared if distance == "l2" else huber).mean())
    assert output.losses["consistency"].item() == pytest.approx(
        torch.stack(expected).mean().item(), rel=1e-4
    )


def test_no_gradient_reaches_target_or_teacher(make_spec):
    spec = make_spec("consistency")
    method = build_method(spec)
    output = next(method.step(real_batch(method, spec), 0, generator()))
    output.total.backward()
    assert all(weight.grad is not None for weight in method.student.parameters())
    frozen = [*method.target.parameters(), *method.teacher.parameters()]
    assert all(weight.grad is None for weight in frozen)


def test_the_target_follows_the_student_once_an_update(make_spec, tmp_path):
    """In two parts, too: ``0.75 target + 0.25 student`` after each of the updates."""
    training = {"student_updates": 1, "warmup_updates": 1, "learning_rate": 0.1}
    spec = make_spec(
        "consistency", training | {"gradient_accumulation": 2, "ema_decay": 0}, target_decay=0.75
    )
    method = build_method(spec)
    before = copy.deepcopy(method.target)
    Trainer(spec, method, ImageSet.load(spec.data), tmp_path / "run", progress=False).run()
    moved = False
    for old, target, student in zip(
        before.parameters(), method.target.parameters(), method.student.parameters(), strict=True
    ):
        moved = moved or not torch.equal(old, student)
        assert torch.allclose(target, 0.75 * old + 0.25 * student, atol=1e-6)
    assert moved


def test_guidance_is_folded_into_a_text_to_image_student(make_subject_spec, monkeypatch):
    """The teacher's step is guided; student and target read the prompt without guidance."""
    spec = make_subject_spec("consistency", settings={"guidance_scale": 3})
    method = build_method(spec)
    assert torch.equal(method.schedule[1:], method.student.trained_levels)
    batch = real_batch(method, spec)
    sigma, following = torch.full((3,), 4.0), torch.full((3,), 2.0)
    x = batch.x0 + 4 * torch.randn(batch.x0.shape, generator=generator())
    goal = method.goal(x, sigma, following, batch.condition)
    with torch.no_grad():
        x0 = Guided(method.teacher, method.conditions.null, 3)(x, sigma, batch.condition)
        expected = method.target(x0 + (x - x0) / 2, following, batch.condition)
    assert torch.allclose(goal, expected, atol=1e-5)


def test_adapters_of_the_target_start_as_the_student_s(make_subject_spec):
    method = build_method(make_subject_spec("consistency", settings={"lora": {"rank": 2}}))
    pairs = zip(method.student.named_parameters(), method.target.parameters(), strict=True)
    for (name, own), target in pairs:
        assert torch.equal(own, target)
        assert (own.data_ptr() == target.data_ptr()) == (".lora_" not in name)
