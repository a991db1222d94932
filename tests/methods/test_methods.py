import copy

import pytest
import torch

from unidad import losses
from unidad.data.image_set import ImageSet, to_tensor
from unidad.diffusion.levels import draw_levels
from unidad.methods.base import StepOutput
from unidad.training.build import build_method


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def real_batch(method, spec, count=2):
    images = to_tensor(ImageSet.load(spec.data).images[:count])
    return method.batch(method.student.codec.encode(images))


def run_phases(method, spec, iterations):
    """Apply plain gradient steps as the trainer would; yield (group, names of changed networks)."""
    for iteration in range(iterations):
        steps = method.step(real_batch(method, spec), iteration, generator(iteration))
        for output in steps:
            before = copy.deepcopy(method.networks.state_dict())
            parameters = [
                p
                for name in method.groups[output.group]
                for p in method.networks[name].parameters()
            ]
            for parameter in method.networks.parameters():
                parameter.grad = None
            output.total.backward(inputs=parameters)
            torch.optim.SGD(parameters, lr=0.1).step()
            after = method.networks.state_dict()
            changed = {name.split(".")[0] for name in after if not before[name].equal(after[name])}
            yield output.group, changed


EXPECTED = {
    "finetune": {"student": {"student"}},
    "dmd2": {"student": {"student"}, "fake_score": {"fake_score", "discriminator"}},
    "unidad": {
        "student": {"student"},
        "fake_score": {"fake_score", "discriminator"},
        "target_teacher": {"target_teacher"},
    },
    "consistency": {"student": {"student"}},
    "sfddm": {"student": {"student"}},
}


@pytest.mark.parametrize("fixture", ["make_spec", "make_subject_spec"])
@pytest.mark.parametrize("method_name", EXPECTED)
def test_each_phase_moves_only_its_own_networks(request, fixture, method_name):
    spec = request.getfixturevalue(fixture)(method_name)
    method = build_method(spec)
    teacher = copy.deepcopy(getattr(method, "teacher", None) or torch.nn.Linear(1, 1))
    seen = dict(run_phases(method, spec, 5))
    assert seen == EXPECTED[method_name]
    if method_name != "finetune":
        for a, b in zip(teacher.parameters(), method.teacher.parameters(), strict=True):
            assert torch.equal(a, b)


def test_order_and_ratio_of_updates(make_spec):
    spec = make_spec("unidad", distillation={"fake_score_updates_per_student_update": 3})
    groups = [group for group, _ in run_phases(build_method(spec), spec, 6)]
    round_ = ["fake_score", "fake_score", "student", "fake_score", "target_teacher"]
    assert groups == round_ * 2


def test_the_online_target_teacher_stops_where_it_is_told_to(make_spec):
    distillation = {"fake_score_updates_per_student_update": 2}
    spec = make_spec("unidad", distillation=distillation, target_teacher_updates=2)
    groups = [group for group, _ in run_phases(build_method(spec), spec, 8)]
    round_ = ["fake_score", "student", "fake_score"]
    assert groups == [*round_, "target_teacher"] * 2 + round_ * 2


def student_output(spec, seed=5) -> tuple[StepOutput, torch.Tensor]:
    method = build_method(spec)
    with torch.no_grad():  # move the fake score off the teacher, so that g is not zero
        for parameter in method.fake_score.model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator(9)))
    batch = real_batch(method, spec)
    x0 = method.student_images(batch, generator(seed), with_gradient=True)
    return method.student_step(x0, batch, generator(seed)), x0


def test_dual_domain_weights_and_terms(make_spec):
    near, _ = student_output(make_spec("unidad", dmd_target_share=0.25))
    assert near.weights["dmd_source"] == 0.75
    assert near.weights["dmd_target"] == 0.25
    single, _ = student_output(make_spec("unidad", target_teacher="none", dmd_target_share=0))
    assert set(single.losses) == {"dmd_source", "gan_student"}
    alone, _ = student_output(make_spec("unidad", dmd_source=False, dmd_target_share=1))
    assert set(alone.losses) == {"dmd_target", "gan_student"}
    gan_only, _ = student_output(
        make_spec("unidad", dmd_source=False, target_teacher="none", dmd_target_share=0)
    )
    assert set(gan_only.losses) == {"gan_student"}
    no_gan, _ = student_output(make_spec("unidad", distillation={"heads": "none"}))
    assert set(no_gan.losses) == {"dmd_source", "dmd_target"}


def test_dmd_is_named_after_the_teacher(make_spec):
    """dmd_source, or dmd_teacher where the one teacher is not the source's."""
    source, _ = student_output(make_spec("dmd2"))
    assert set(source.losses) == {"dmd_source", "gan_student"}
    adapted, _ = student_output(make_spec("dmd2", teacher="FT"))
    assert set(adapted.losses) == {"dmd_teacher", "gan_student"}


def test_logged_norms_are_the_gradients_at_the_image(make_spec):
    """Both norms against autograd's own gradient of each weighted loss at the student's images."""
    spec = make_spec("unidad", distillation={"gan_student_weight": 0.3})
    output, x0 = student_output(spec)
    dmd = sum(output.weights[n] * output.losses[n] for n in ("dmd_source", "dmd_target"))
    gan = output.weights["gan_student"] * output.losses["gan_student"]
    (of_dmd,) = torch.autograd.grad(dmd, x0, retain_graph=True)
    (of_gan,) = torch.autograd.grad(gan, x0, retain_graph=True)
    output.total.backward()
    assert output.logs["dmd_gradient_norm"] == pytest.approx(of_dmd.norm().item(), rel=1e-4)
    assert output.logs["gan_gradient_norm"] == pytest.approx(of_gan.norm().item(), rel=1e-4)


def test_gradient_ratio_balances_at_the_image(make_spec):
    output, x0 = student_output(make_spec("unidad", distillation={"gan_gradient_ratio": 0.5}))
    dmd = sum(output.weights[n] * output.losses[n] for n in ("dmd_source", "dmd_target"))
    (of_dmd,) = torch.autograd.grad(dmd, x0, retain_graph=True)
    (of_both,) = torch.autograd.grad(output.total, x0, retain_graph=True)
    assert (of_both - of_dmd).norm() == pytest.approx(0.5 * of_dmd.norm().item(), rel=1e-4)
    assert output.logs["gan_gradient_norm"] == pytest.approx(0.5 * of_dmd.norm().item(), rel=1e-4)


def test_gradient_through_the_last_step_alone_ignores_the_earlier_ones(make_spec):
    spec = make_spec("dmd2", distillation={"gradient_through": "last"})
    method = build_method(spec)
    real = real_batch(method, spec)
    last = method.student_images(real, generator(), with_gradient=True)
    full_spec = make_spec("dmd2")
    full = build_method(full_spec).student_images(real, generator(), with_gradient=True)
    assert torch.allclose(last, full)
    assert not method.student_images(real, generator(), with_gradient=False).requires_grad
    noise = [torch.randn(real.x0.shape, generator=g) for g in [generator()] for _ in range(2)]
    with torch.no_grad():
        x = method.student_levels[0] * noise[0]
        x = method.student(x, method.student_levels[0].expand(2)) + (
            method.student_levels[1] * noise[1]
        )
    expected = method.student(x, method.student_levels[1].expand(2))
    parameters = list(method.student.parameters())
    by_hand = torch.autograd.grad(expected.square().sum(), parameters)
    ours = torch.autograd.grad(last.square().sum(), parameters)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(by_hand, ours, strict=True))


def test_critic_pass_is_one_batch_and_the_decoder_stays_out(make_spec):
    spec = make_spec("dmd2")
    method = build_method(spec)
    sizes, decoded = [], []
    method.fake_score.model.conv_in.register_forward_pre_hook(lambda m, a: sizes.append(len(a[0])))
    method.fake_score.model.conv_out.register_forward_hook(lambda m, a, o: decoded.append(len(o)))
    real = real_batch(method, spec)
    method.fake_score_step(torch.zeros_like(real.x0), real, generator())
    assert sizes == [2, 4]
    assert decoded == [2]


@pytest.mark.parametrize("loss", ["bce", "hinge", "lsgan", "wgan-gp"])
@pytest.mark.parametrize("heads", ["multi", "single"])
def test_gan_options_train(make_spec, loss, heads):
    spec = make_spec("unidad", distillation={"gan_loss": loss, "heads": heads})
    outputs = list(build_method(spec).step(_images(spec), 4, generator()))
    penalised = "gan_gradient_penalty" in outputs[1].losses
    assert penalised == (loss == "wgan-gp")
    for output in outputs:
        assert torch.isfinite(output.total)


def test_the_penalty_noises_a_mix_of_clean_images(make_spec):
    """Input, level and value of the penalty, from the draws of the step made again by hand."""
    spec = make_spec("dmd2", distillation={"gan_loss": "wgan-gp"})
    method, calls = build_method(spec), []
    features = method.fake_score.features
    method.fake_score.features = lambda x, sigma, c: calls.append((x, sigma)) or features(x, sigma)
    real = real_batch(method, spec)
    fake = torch.full_like(real.x0, 0.5)
    output = method.fake_score_step(fake, real, generator(3))

    draws = generator(3)
    method.noised(fake, draws)
    draw_levels(method.levels, 4, draws)
    torch.randn((4, *fake.shape[1:]), generator=draws)
    mix = torch.rand(2, generator=draws).reshape(-1, 1, 1, 1)
    x, sigma = method.noised((1 - mix) * real.x0 + mix * fake, draws)
    assert torch.equal(calls[-1][1], sigma)
    assert torch.allclose(calls[-1][0], x, atol=1e-5)
    x.requires_grad_(True)
    logits = method.discriminator(features(x, sigma)).sum()
    (gradient,) = torch.autograd.grad(logits, x)
    expected = ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean().item()
    assert output.losses["gan_gradient_penalty"].item() == pytest.approx(expected, rel=1e-4)


def _images(spec):
    return real_batch(build_method(spec), spec)


def test_shared_levels_noise_real_and_fake_alike(make_spec):
    for shared in (True, False):
        spec = make_spec("dmd2", distillation={"gan_shared_levels": shared})
        method = build_method(spec)
        seen = []
        method.fake_score.features = lambda x, sigma, c, seen=seen, f=method.fake_score.features: (
            seen.append(sigma) or f(x, sigma, c)
        )
        real = real_batch(method, spec)
        method.fake_score_step(torch.zeros_like(real.x0), real, generator())
        assert torch.equal(seen[0][:2], seen[0][2:]) == shared


def test_finetune_at_the_student_s_levels(make_spec):
    """At 16x16 a sixteenth of the paper's."""
    spec = make_spec("finetune", nfe=3, sampler="few_step", levels="student")
    method = build_method(spec)
    _, sigma = method.noised(torch.zeros(200, 3, 2, 2), generator())
    assert sorted(set(sigma.tolist())) == pytest.approx([0.03125, 0.39528, 5.0], rel=1e-4)


def test_the_loss_of_finetune_is_the_denoising_loss(make_spec):
    spec = make_spec("finetune")
    method = build_method(spec)
    real = real_batch(method, spec)
    (output,) = method.step(real, 0, generator(4))
    x, sigma = method.noised(real.x0, generator(4))
    expected = losses.denoising(method.student(x, sigma), real.x0, sigma)
    assert output.total.item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("options", "start"), [({}, "teacher"), ({"fake_score_start": "student"}, "student")]
)
def test_whose_weights_the_fake_score_starts_from(make_spec, network, tmp_path, options, start):
    """Of a student that is no longer its teacher."""
    with torch.no_grad():
        network.model.conv_in.weight.add_(1)
    network.save(tmp_path / "distilled", "few_step", 2)
    spec = make_spec("dmd2", distillation=options)
    method = build_method(spec.model_copy(update={"student": str(tmp_path / "distilled")}))
    found = method.fake_score.model.conv_in.weight
    both = {"teacher": method.teacher, "student": method.student}
    assert {name for name, net in both.items() if torch.equal(net.model.conv_in.weight, found)} == {
        start
    }
