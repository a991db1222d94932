"""EchoDistill: teacher, one-step student and a learned word, side by side."""

import copy
import re

import pytest
import torch
import torch.nn.functional as F
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from unidad import losses
from unidad.data.image_set import ImageSet, to_tensor
from unidad.features.frozen import load_frozen_features
from unidad.networks.text_to_image_folder import load_text_encoder
from unidad.training.build import build_method
from unidad.training.loop import Trainer
from unidad.training.run import export, fingerprint, train

SHAPE = (2, 4, 8, 8)
UNET = "unet/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"
KEYS_AND_VALUES = re.compile(r"(student|teacher)\..*\.attn2\.to_[kv]\.weight")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def photos_of(method, spec, count=2):
    return method.student.codec.encode(to_tensor(ImageSet.load(spec.data).images[:count]))


@torch.no_grad()
def perturbed(module, seed, size=0.02):
    for parameter in module.parameters():
        parameter.add_(size * torch.randn(parameter.shape, generator=generator(seed)))


def levels_of(network):
    alpha_bar = network.scheduler.alphas_cumprod.double()
    return ((1 - alpha_bar) / alpha_bar).sqrt().float()


def eps_hat(network, x, timesteps, text):
    """The U-Net's own output, at x_t = x / sqrt(1 + sigma^2) = alpha_t x."""
    alpha = network.scheduler.alphas_cumprod[timesteps].sqrt().reshape(-1, 1, 1, 1)
    return network.model(alpha * x, timesteps, encoder_hidden_states=text).sample


def trained(method, group):
    """Parameters that the trainer gives to a group's optimiser."""
    modules = [method.networks[name] for name in method.groups[group]]
    return [p for module in modules for p in module.parameters() if p.requires_grad]


def movements(method, spec, iterations):
    """Plain gradient steps as the trainer would; yields (group, names of the tensors moved)."""
    for iteration in range(iterations):
        batch = method.batch(photos_of(method, spec))
        for output in method.step(batch, iteration, generator(iteration)):
            before = copy.deepcopy(method.networks.state_dict())
            parameters = trained(method, output.group)
            output.total.backward(inputs=parameters)
            torch.optim.SGD(parameters, lr=0.1).step()
            for parameter in parameters:
                parameter.grad = None
            after = method.networks.state_dict()
            yield output.group, {name for name in after if not before[name].equal(after[name])}


@pytest.mark.parametrize("taught_by", ["teacher", "both"])
def test_each_phase_moves_only_keys_values_word_and_heads_of_its_own(make_echo_spec, taught_by):
    spec = make_echo_spec(token_taught_by=taught_by)
    method = build_method(spec)
    frozen = copy.deepcopy(method.features.state_dict())
    table = method.conditions.token.text.model.state_dict()
    table = {name: tensor.clone() for name, tensor in table.items()}
    moved = dict(movements(method, spec, 1))
    assert list(moved) == ["teacher", "student", "discriminator"]
    word = {"token.embedding"}
    projections = {name for name in method.networks.state_dict() if KEYS_AND_VALUES.match(name)}
    assert len(projections) == 2 * 2 * 4  # a key and a value of four blocks, in each network
    of = {name: {p for p in projections if p.startswith(name)} for name in ("teacher", "student")}
    assert moved["teacher"] == of["teacher"] | word
    assert moved["student"] == of["student"] | (word if taught_by == "both" else set())
    assert {name.split(".")[0] for name in moved["discriminator"]} == {"discriminator"}
    assert all(torch.equal(frozen[name], t) for name, t in method.features.state_dict().items())
    after = method.conditions.token.text.model.state_dict()
    assert all(torch.equal(table[name], after[name]) for name in table)


def test_the_word_alone_moves_when_only_it_is_trained(make_echo_spec):
    spec = make_echo_spec()
    method = build_method(spec)
    method.teacher.requires_grad_(False)
    _, moved = next(movements(method, spec, 1))
    assert moved == {"token.embedding"}
    assert method.conditions.token.embedding.shape == (32,)


def by_hand(spec, method, batch_x0, seed):
    """The losses of the first iteration, from U-Nets, VAE and CLIP themselves."""
    draws, levels = generator(seed), levels_of(method.student)
    text, clip = method.conditions, method.features["clip"]
    target = text.target.expand(2, -1, -1)
    null = load_text_encoder(spec.student)(["", ""])

    timesteps = torch.randint(0, 1000, (2,), generator=draws)
    eps = torch.randn(SHAPE, generator=draws)
    x = batch_x0 + levels[timesteps].reshape(-1, 1, 1, 1) * eps
    denoising = ((eps_hat(method.teacher, x, timesteps, target) - eps) ** 2).mean()

    eps, sigma = torch.randn(SHAPE, generator=draws), levels[-1]
    last = torch.tensor([999, 999])
    x0 = sigma * (eps - eps_hat(method.student, sigma * eps, last, target))
    images = method.student.codec.decode(x0)

    timesteps = torch.randint(0, 1000, (2,), generator=draws)
    sigma = levels[timesteps].reshape(-1, 1, 1, 1)
    x = x0 + sigma * eps
    plain = eps_hat(method.teacher, x, timesteps, null)
    guided = plain + 7.5 * (eps_hat(method.teacher, x, timesteps, target) - plain)
    goal = x - sigma * guided
    seen = method.student.codec.decode(goal)
    cosine = F.cosine_similarity(clip.tokens(images), clip.tokens(seen), dim=2).mean(1)
    directions = torch.randn((128, 3, 3, 3), generator=draws)
    directions = directions / directions.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    texture = losses.sliced_wasserstein(images, seen, directions)
    alpha_bar = method.student.scheduler.alphas_cumprod[timesteps]
    tokens = {name: network.tokens(images) for name, network in method.features.items()}
    return {
        "teacher_denoising": denoising,
        "alignment_features": (alpha_bar * (1 - cosine)).mean(),
        "alignment_latents": (alpha_bar * ((x0 - goal) ** 2).mean((1, 2, 3))).mean(),
        "alignment_texture": (alpha_bar * texture).mean(),
        "gan_student": two_class_entropy(method, tokens, real=True),
        "gan_discriminator": two_class_entropy(method, tokens, real=False)
        + on_photos(spec, method, draws),
    }


def two_class_entropy(method, tokens, real):
    total = 0.0
    for name, head in method.discriminator.heads.items():
        rows = tokens[name].mean(1)
        rows = (rows - rows.mean(1, keepdim=True)) / rows.std(1, correction=0, keepdim=True)
        total += F.cross_entropy(head(rows), torch.full((len(rows),), int(real)))
    return total


def on_photos(spec, method, draws):
    """Of photos and their mirror images, as the autoencoder gives them back."""
    photos = to_tensor(ImageSet.load(spec.data).images)
    codec = method.student.codec
    photos = codec.decode(codec.encode(torch.cat([photos, photos.flip(-1)])))
    chosen = photos[torch.randint(len(photos), (2,), generator=draws)]
    tokens = {name: network.tokens(chosen) for name, network in method.features.items()}
    return two_class_entropy(method, tokens, real=True)


@torch.no_grad()
def test_losses_of_an_iteration_by_hand(make_echo_spec):
    """The student unguided, the teacher's goal guided by 7.5, under the student's own noise."""
    spec = make_echo_spec()
    method = build_method(spec)
    perturbed(method.student, 1)
    perturbed(method.teacher, 2)
    perturbed(method.conditions.token, 3)
    perturbed(method.discriminator, 4, 0.3)
    batch = method.batch(photos_of(method, spec))
    outputs = list(method.step(batch, 0, generator(9)))
    found = {name: float(loss) for output in outputs for name, loss in output.losses.items()}
    expected = by_hand(spec, method, batch.x0, 9)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(float(value), rel=2e-3), name
    weights = {"alignment_features": 1, "alignment_latents": 0.5, "alignment_texture": 0.1}
    assert outputs[1].weights == weights | {"gan_student": 1}
    total = sum(outputs[1].weights[name] * found[name] for name in outputs[1].losses)
    assert float(outputs[1].total) == pytest.approx(total, rel=1e-5)


def test_the_student_s_losses_have_no_gradient_for_the_teacher(make_echo_spec):
    spec = make_echo_spec()
    method = build_method(spec)
    perturbed(method.teacher, 2)
    batch = method.batch(photos_of(method, spec))
    drawn = method.draw(batch, generator())
    output = method.student_step(drawn, batch, generator())
    for name in ("alignment_features", "alignment_latents", "alignment_texture", "gan_student"):
        ours, theirs = trained(method, "student"), list(method.teacher.parameters())
        theirs = [parameter for parameter in theirs if parameter.requires_grad]
        gradients = torch.autograd.grad(
            output.losses[name], ours + theirs, retain_graph=True, allow_unused=True
        )
        assert all(gradient.abs().max() > 0 for gradient in gradients[: len(ours)]), name
        assert gradients[len(ours) :] == (None,) * len(theirs), name


def test_the_discriminators_see_the_images_that_the_student_was_updated_on(make_echo_spec):
    spec = make_echo_spec()
    method = build_method(spec)
    batch = method.batch(photos_of(method, spec))
    seen, draw = [], method.draw
    method.draw = lambda *arguments: seen.append(draw(*arguments)) or seen[-1]
    calls = []
    clip = method.features["clip"]
    tokens = clip.tokens
    clip.tokens = lambda x: calls.append(len(x)) or tokens(x)
    list(method.step(batch, 0, generator()))
    assert len(seen) == 1
    assert calls == [2, 2, 8, 4], "images, goal, then once the photos, in chunks of eight"
    list(method.step(batch, 1, generator()))
    assert calls[4:] == [2, 2]


def test_rates_of_teacher_student_and_discriminators(make_echo_spec):
    method = build_method(make_echo_spec({"learning_rate": 1e-5}))
    rates = {group: method.learning_rate(group) for group in method.groups}
    assert rates == pytest.approx({"teacher": 1e-5, "student": 2e-5, "discriminator": 1e-4})


def test_lpips_on_the_scene_network_as_texture(make_echo_spec, clip_folder, scene_folder):
    features = {"clip": str(clip_folder), "encoder": str(scene_folder)}
    spec = make_echo_spec(texture="lpips", features=features)
    method = build_method(spec)
    images, goal = 2 * torch.rand(2, 2, 3, 16, 16) - 1
    network = load_frozen_features("encoder", str(scene_folder))
    rows, goals = network.perceptual_rows(images), network.perceptual_rows(goal)
    found = method._texture_distance(images, goal, generator())
    torch.testing.assert_close(found, ((rows - goals) ** 2).sum(1))
    assert found.min() > 0.01


@torch.no_grad()
def test_an_echo_round_keeps_the_student_s_images_most_like_the_photos(make_echo_spec):
    """Three of twelve, by the mean cosine of pooled tokens over photos and networks."""
    spec = make_echo_spec(echo_candidates=12, echo_filter=0.25)
    method = build_method(spec)
    perturbed(method.student, 1, 0.05)
    score = method.draw_echo(generator(7))
    eps = torch.randn((12, 4, 8, 8), generator=generator(7))
    sigma = levels_of(method.student)[-1]
    text = method.conditions.target.expand(12, -1, -1)
    x0 = sigma * (eps - eps_hat(method.student, sigma * eps, torch.full((12,), 999), text))
    codec, photos = method.student.codec, to_tensor(ImageSet.load(spec.data).images)
    photos = codec.decode(codec.encode(torch.cat([photos, photos.flip(-1)])))
    cosines = []
    for network in method.features.values():
        drawn, real = (network.tokens(x).mean(1) for x in (codec.decode(x0), photos))
        cosines.append(F.cosine_similarity(drawn[:, None], real[None], dim=2).mean(1))
    alike = torch.stack(cosines).mean(0)
    kept = alike.argsort(descending=True)[:3]
    assert method.networks["echo"].x0.shape == (3, 4, 8, 8)
    torch.testing.assert_close(method.networks["echo"].x0, x0[kept], rtol=1e-4, atol=1e-3)
    assert score == pytest.approx(alike[kept].mean().item(), rel=1e-4)


def test_echo_images_take_their_share_of_the_teacher_s_batch(make_echo_spec):
    method = build_method(make_echo_spec())
    echo, x0 = method.networks["echo"], torch.ones(2000, 4, 8, 8)
    echo.x0.copy_(torch.tensor([5.0, 7.0]).reshape(2, 1, 1, 1))
    values, counts = echo.mixed(x0, 0.25, generator())[:, 0, 0, 0].unique(return_counts=True)
    assert values.tolist() == [1, 5, 7]
    assert counts.tolist() == pytest.approx([1500, 250, 250], abs=80)
    assert torch.equal(echo.mixed(x0, 0.0, generator()), x0)


def test_echo_rounds_are_the_last_updates(make_echo_spec):
    """Two rounds of three of ten updates: drawn at 4 and 7, mixed in from 4 on."""
    spec = make_echo_spec({"student_updates": 10}, echo_updates=3, echo_share=1.0)
    method = build_method(spec)
    assert method.echo_starts == [4, 7]
    learned, denoising = [], method.denoising
    method.denoising = lambda net, batch, draws: (
        learned.append(batch.x0) or denoising(net, batch, draws)
    )
    batch = method.batch(photos_of(method, spec))
    logged = []
    for iteration in range(3, 10):
        with torch.no_grad():
            logged.append(next(method.step(batch, iteration, generator(iteration))).logs)
    assert [bool(logs) for logs in logged] == [False, True, False, False, True, False, False]
    assert torch.equal(learned[0], batch.x0)
    assert not any((x0 == batch.x0).all((1, 2, 3)).any() for x0 in learned[1:])
    without = build_method(make_echo_spec(echo_rounds=0))
    assert "echo" not in without.networks
    assert without.echo_starts == []


class Stop(Exception):
    pass


def interrupted(spec, folder, updates):
    """Train up to an update and stop there without a word, as a killed process does."""
    from unidad.training.run import _discard_other_state

    _discard_other_state(folder, fingerprint(spec))
    trainer = Trainer(spec, build_method(spec), ImageSet.load(spec.data), folder, progress=False)
    iterate = trainer._iterate

    def stop_later(iteration):
        if trainer.updates["student"] == updates:
            raise Stop
        iterate(iteration)

    trainer._iterate = stop_later
    with pytest.raises(Stop):
        trainer.run()


@pytest.mark.parametrize("stop", [3, 5])
def test_a_stopped_run_ends_as_an_uninterrupted_one(make_echo_spec, tmp_path, stop):
    """Echo rounds of two start at 2 and 4; checkpoints are at 2 (just before) and at 4."""
    spec = make_echo_spec({"student_updates": 6}, echo_updates=2)
    summary = train(spec, tmp_path / "whole", progress=False)
    assert summary["updates"] == {"teacher": 6, "student": 6, "discriminator": 6}
    interrupted(spec, tmp_path / "cut", stop)
    train(spec, tmp_path / "cut", progress=False)
    for file in (f"model/{UNET}", f"model/{TEXT}", f"teacher/{UNET}", f"teacher/{TEXT}"):
        whole, cut = (load_file(tmp_path / name / file) for name in ("whole", "cut"))
        assert all(torch.equal(whole[name], cut[name]) for name in whole), file
    logs = [(tmp_path / n / "training.csv").read_text().splitlines() for n in ("whole", "cut")]
    whole, cut = ([line.split(",")[:1] + line.split(",")[2:] for line in log] for log in logs)
    assert whole == cut
    columns = logs[0][0].split(",")
    assert {"echo_similarity", "discriminator_accuracy", "student_gradient_norm"} <= set(columns)


@torch.no_grad()
@pytest.mark.parametrize("lora", [None, {"rank": 2}])
def test_diffusers_alone_draws_with_the_learned_word(make_echo_spec, tmp_path, lora):
    """From the exported folder and the words "a prt cat" alone."""
    training = {"student_updates": 1, "learning_rate": 0.05, "warmup_updates": 1, "ema_decay": 0}
    spec = make_echo_spec(training, {"lora": lora}, echo_rounds=0)
    method = build_method(spec)
    start = load_text_encoder(spec.student)
    with torch.enable_grad():
        trainer = Trainer(spec, method, ImageSet.load(spec.data), tmp_path / "run", progress=False)
        trainer.run()
    export(trainer.result, spec, tmp_path / "model", method.text_encoder())
    eps = torch.randn(SHAPE, generator=generator(6))
    sigma = torch.full((2,), method.student.sigma_max)
    text = method.conditions.target.expand(2, -1, -1)
    expected = method.student(sigma[0] * eps, sigma, text)
    drawn = draw(tmp_path / "model", "a prt cat", eps)
    torch.testing.assert_close(drawn, expected, rtol=1e-3, atol=2e-3)
    unlearned = method.student(sigma[0] * eps, sigma, start(["a prt cat"] * 2))
    assert (expected - unlearned).abs().max() > 0.05
    assert (draw(tmp_path / "model", "a cat", eps) - expected).abs().max() > 0.05


def draw(folder, prompt, eps):
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        [prompt] * len(eps),
        num_inference_steps=1,
        guidance_scale=0,
        latents=eps,
        output_type="latent",
    ).images


def test_adapters_take_the_place_of_keys_and_values(make_echo_spec):
    spec = make_echo_spec(settings={"lora": {"rank": 2}})
    method = build_method(spec)
    moved = dict(movements(method, spec, 2))
    for group in ("teacher", "student"):
        names = {name for name in moved[group] if name != "token.embedding"}
        assert names
        assert all(name.startswith(group) and ".lora_" in name for name in names)
        assert {tuple(name.split(".lora_")[0].split(".")[-2:]) for name in names} == {
            ("attn2", "to_k"),
            ("attn2", "to_v"),
        }


def test_the_sample_grid_shows_the_student_under_the_learned_word(make_echo_spec, tmp_path):
    spec = make_echo_spec({"sample_every": 4})
    train(spec, tmp_path / "run", progress=False)
    assert (tmp_path / "run/samples/000004.png").exists()


def test_other_frozen_networks_are_another_run(make_echo_spec, clip_folder):
    spec = make_echo_spec()
    before = fingerprint(spec)
    state = load_file(clip_folder / "model.safetensors")
    next(iter(state.values())).add_(1)
    save_file(state, clip_folder / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint(spec) != before
