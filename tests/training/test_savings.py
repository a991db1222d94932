"""What saves memory leaves the gradients as they are."""

import pytest
import torch

from unidad.config.training import SAVINGS
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.training.build import build_method
from unidad.training.loop import Trainer

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
    with pytest.raises(UserError, match=r"2 images \(batch_size\) cannot be cut into 3 equal"):
        make_spec("finetune", {"gradient_accumulation": 3})


@pytest.mark.parametrize("gan_loss", ["bce", "wgan-gp"])
def test_checkpointed_activations_have_the_same_gradient(make_spec, tmp_path, gan_loss):
    """The encoder runs four times as often forward: once more for each of its backward passes."""
    distillation = {"gan_loss": gan_loss, "fake_score_updates_per_student_update": 2}
    found, passes = {}, {}
    for name, on in (("plain", False), ("checkpointed", True)):
        spec = make_spec(
            "unidad", BRIEF | {"gradient_checkpointing": on}, distillation=distillation
        )
        trainer = trainer_of(spec, tmp_path / name)
        first = trainer.method.student.model.down_blocks[0].resnets[0].conv1
        first.register_forward_hook(
            lambda *_, name=name: passes.update({name: 1 + passes.get(name, 0)})
        )
        found[name] = gradients(trainer, 2)
    assert largest_error(found["checkpointed"], found["plain"]) < 1e-5
    assert passes == {"plain": 4, "checkpointed": 6}


def test_checkpointed_activations_are_not_kept(make_spec, tmp_path):
    """Bytes that autograd saves for the student's pass."""
    kept = {}
    for on in (False, True):
        spec = make_spec("finetune", {"gradient_checkpointing": on})
        student = trainer_of(spec, tmp_path / str(on)).method.student
        weights = {parameter.data_ptr() for parameter in student.parameters()}
        saved = {}

        def keep(tensor, saved=saved, weights=weights):
            if tensor.data_ptr() not in weights:
                saved[tensor.data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            student(torch.randn(2, *student.shape), torch.ones(2))
        kept[on] = sum(tensor.nbytes for tensor in saved.values())
    assert kept[True] < 0.5 * kept[False]


def test_teachers_in_bf16_are_the_rounded_teachers(make_spec, tmp_path):
    """Half the bytes; the predictions are those of rounded weights, float32, close to the exact."""
    rounded = trainer_of(make_spec("unidad", {"bf16_teachers": True}), tmp_path / "a").method
    exact = trainer_of(make_spec("unidad"), tmp_path / "b").method
    for name, tensor in exact.teacher.model.named_parameters():
        assert torch.equal(rounded.teacher.model.get_parameter(name), tensor.bfloat16())
    assert next(rounded.target_teacher.parameters()).dtype == torch.float32
    x, sigma = torch.randn(2, *exact.student.shape), torch.tensor([0.5, 2.0])
    with torch.no_grad():
        found, expected = rounded.teacher(x, sigma), exact.teacher(x, sigma)
    assert found.dtype == torch.float32
    error = (found - expected).norm() / expected.norm()
    assert 1e-4 < error < 0.02


def test_only_networks_that_nothing_trains_are_frozen_teachers(make_spec, make_echo_spec):
    method = build_method(make_spec("unidad"))
    assert method.frozen_teachers() == [method.teacher]
    assert build_method(make_spec("finetune")).frozen_teachers() == []
    assert build_method(make_echo_spec()).frozen_teachers() == []


def test_teachers_come_for_the_student_s_update_and_go_before_its_backward(make_spec, tmp_path):
    """On a CPU the moves change nothing; here in their order, and the gradients to the bit."""
    brief = {"fake_score_updates_per_student_update": 2}
    plain = trainer_of(make_spec("dmd2", BRIEF, distillation=brief), tmp_path / "plain")
    spec = make_spec("dmd2", BRIEF | {"offload_teachers": True}, distillation=brief)
    away = trainer_of(spec, tmp_path / "away")
    (hook,) = away.offloaded
    assert hook.model is away.method.teacher
    events, offload, backward = [], hook.hook.init_hook, away.accelerator.backward
    hook.hook.init_hook = lambda module: events.append("away") or offload(module)
    away.method.teacher.model.register_forward_hook(lambda *_: events.append("asked"))
    away.accelerator.backward = lambda *a, **k: events.append("backward") or backward(*a, **k)
    expected = gradients(plain, 2)
    assert largest_error(gradients(away, 2), expected) == 0
    assert events == ["backward", "asked", "away", "backward", "backward"]


def test_the_moving_average_on_the_host_is_the_same(make_spec, tmp_path):
    averages = []
    for on in (False, True):
        spec = make_spec("finetune", {"ema_on_host": on, "ema_decay": 0.9, "sample_every": 2})
        trainer = trainer_of(spec, tmp_path / str(on))
        trainer.run()
        averages.append(trainer.ema.state_dict())
        assert {tensor.device.type for tensor in averages[-1].values()} == {"cpu"}
    assert all(torch.equal(averages[0][name], averages[1][name]) for name in averages[0])


def test_8_bit_adamw_where_it_is_not_installed(make_spec, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="bitsandbytes is not installed; `pip install"):
        trainer_of(make_spec("finetune", {"adam_8bit": True}), tmp_path)


def test_8_bit_adamw_resumes_and_stays_near_to_adamw(make_spec, tmp_path):
    pytest.importorskip("bitsandbytes")
    training = {"student_updates": 4, "learning_rate": 1e-3, "warmup_updates": 0, "ema_decay": 0}
    spec = make_spec("finetune", training | {"adam_8bit": True})
    whole, plain = (
        trainer_of(spec, tmp_path / "a"),
        trainer_of(make_spec("finetune", training), tmp_path / "b"),
    )
    start = flat(plain)
    for trainer in (whole, plain):
        trainer.run()
    assert (flat(whole) - flat(plain)).norm() < 0.1 * (flat(plain) - start).norm()
    state = next(s for s in whole.optimisers["student"].state.values() if "absmax1" in s)
    assert state["state1"].dtype == torch.uint8
    assert all(s["state1"].is_contiguous() for s in whole.optimisers["student"].state.values())
    cut = trainer_of(spec, tmp_path / "c")
    for iteration in range(2):
        cut._iterate(iteration)
    cut.save()
    resumed = trainer_of(spec, tmp_path / "c")
    resumed.run()
    assert torch.equal(flat(resumed), flat(whole))


def flat(trainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in trainer.parameters["student"]])


def test_a_specification_names_only_the_savings_that_it_uses(make_spec):
    training = make_spec("finetune").variant.training
    assert not set(SAVINGS) & set(training.model_dump())
    used = make_spec("finetune", {"ema_on_host": True}).variant.training
    assert set(SAVINGS) & set(used.model_dump()) == {"ema_on_host"}
    assert type(used).model_validate_json(used.model_dump_json()) == used
