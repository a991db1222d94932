"""The methods over text-conditioned networks: prompts, guidance, levels, adapters, export."""

import json
import re

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from unidad.data.image_set import ImageSet, to_tensor, to_uint8
from unidad.diffusion.samplers import IndexedNoise
from unidad.errors import UserError
from unidad.methods.specs import load_spec, run_spec
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.text_to_image_folder import TEXT_WEIGHTS_NAME, load_text_encoder
from unidad.training.build import build_method
from unidad.training.loop import Trainer
from unidad.training.run import export, fingerprint, train

PROMPTS = {"class_word": "cat", "target": "a prt cat", "source": "a cat"}
SHAPE = (2, 4, 8, 8)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def perturbed(module, seed):
    for parameter in module.parameters():
        parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator(seed)))


@torch.no_grad()
def batch_of(method, spec, of_class=None):
    images = method.student.codec.encode(to_tensor(ImageSet.load(spec.data).images[:2]))
    return method.batch(images, of_class)


def embeddings(spec):
    """Of the target's, the source's and the empty prompt, each (2, 77, 32)."""
    text = load_text_encoder(spec.student)
    return [text([prompt, prompt]) for prompt in ("a prt cat", "a cat", "")]


def levels_of(network):
    alpha_bar = network.scheduler.alphas_cumprod.double()
    return ((1 - alpha_bar) / alpha_bar).sqrt().float()


def eps_hat(network, x, timesteps, text):
    """The U-Net's own output, at x_t = x / sqrt(1 + sigma^2) = alpha_t x."""
    alpha = network.scheduler.alphas_cumprod[timesteps].sqrt().reshape(-1, 1, 1, 1)
    return network.model(alpha * x, timesteps, encoder_hidden_states=text).sample


def plain_error(network, x0, text, seed):
    """Mean squared error of the noise, at timesteps and noise drawn from the seed."""
    draws = generator(seed) if isinstance(seed, int) else seed
    timesteps = torch.randint(0, 1000, (2,), generator=draws)
    eps = torch.randn(x0.shape, generator=draws)
    x = x0 + levels_of(network)[timesteps].reshape(-1, 1, 1, 1) * eps
    return ((eps_hat(network, x, timesteps, text) - eps) ** 2).mean().item()


@torch.no_grad()
def test_the_student_draws_in_one_step_from_timestep_999(make_subject_spec):
    spec = make_subject_spec("unidad")
    method = build_method(spec)
    text, _, _ = embeddings(spec)
    x0 = method.student_images(batch_of(method, spec), generator(5), with_gradient=False)
    eps = torch.randn(SHAPE, generator=generator(5))
    sigma = levels_of(method.student)[-1]
    last = torch.tensor([999, 999])
    expected = sigma * (eps - eps_hat(method.student, sigma * eps, last, text))
    torch.testing.assert_close(x0, expected, rtol=1e-4, atol=1e-3)


def test_dual_domain_dmd_of_text_conditioned_networks_by_hand(make_subject_spec):
    """Values and gradient: each teacher guided by 7.5 on its own prompt, the fake score plain."""
    spec = make_subject_spec("unidad", distillation={"heads": "none"})
    method = build_method(spec)
    for seed, network in enumerate((method.fake_score, method.teacher, method.target_teacher)):
        perturbed(network, seed)
    target, source, null = embeddings(spec)
    batch = batch_of(method, spec)
    x0 = torch.randn(SHAPE, generator=generator(1)).requires_grad_(True)
    output = method.student_step(x0, batch, generator(6))

    draws = generator(6)
    timesteps = torch.randint(20, 980, (2,), generator=draws)
    sigma = levels_of(method.student)[timesteps].reshape(-1, 1, 1, 1)
    x = x0.detach() + sigma * torch.randn(SHAPE, generator=draws)

    @torch.no_grad()
    def gradient(teacher, prompt):
        plain = eps_hat(teacher, x, timesteps, null)
        guided = plain + 7.5 * (eps_hat(teacher, x, timesteps, prompt) - plain)
        fake = x - sigma * eps_hat(method.fake_score, x, timesteps, target)
        real = x - sigma * guided
        return (fake - real) / (x0 - real).abs().mean((1, 2, 3), keepdim=True)

    g_source, g_target = gradient(method.teacher, source), gradient(method.target_teacher, target)
    for name, g in (("dmd_source", g_source), ("dmd_target", g_target)):
        expected = 0.5 * (g**2).mean().item()
        assert output.losses[name].item() == pytest.approx(expected, rel=1e-3)
    output.total.backward()
    mixed = (0.25 * g_source + 0.75 * g_target) / x0.numel()
    torch.testing.assert_close(x0.grad, mixed, rtol=1e-3, atol=1e-6)


def test_the_only_teacher_of_dmd2_reads_the_student_s_prompt_under_guidance(make_subject_spec):
    spec = make_subject_spec("dmd2", settings={"guidance_scale": 3})
    method = build_method(spec)
    target, _, null = embeddings(spec)
    x, sigma = torch.randn(SHAPE, generator=generator(2)), torch.tensor([0.7, 2.0])
    with torch.no_grad():
        weight, real = method.distribution_matching_terms(x, sigma, batch_of(method, spec))[
            "dmd_source"
        ]
        plain = method.teacher(x, sigma, null)
        expected = plain + 3 * (method.teacher(x, sigma, target) - plain)
    assert weight == 1
    torch.testing.assert_close(real, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_many_step_sampling_is_guided_under_the_target_prompt(make_subject_spec):
    spec = make_subject_spec("finetune", settings={"guidance_scale": 4})
    method = build_method(spec)
    target, _, null = embeddings(spec)
    x, sigma = torch.randn(SHAPE, generator=generator(2)), torch.tensor([0.7, 2.0])
    plain = method.student(x, sigma, null)
    expected = plain + 4 * (method.student(x, sigma, target) - plain)
    torch.testing.assert_close(
        method.denoiser(method.student, 2)(x, sigma), expected, rtol=1e-4, atol=1e-4
    )


def test_fake_score_and_online_teacher_learn_the_plain_error_of_the_noise(make_subject_spec):
    """At the scheduler's 1000 timesteps, unguided, under the target's prompt."""
    spec = make_subject_spec("unidad", distillation={"heads": "none"})
    method = build_method(spec)
    target, _, _ = embeddings(spec)
    batch = batch_of(method, spec)
    x0 = torch.randn(SHAPE, generator=generator(1))
    with torch.no_grad():
        fake = method.fake_score_step(x0, batch, generator(7)).total.item()
        taught = method.target_teacher_step(batch, generator(8)).total.item()
        assert fake == pytest.approx(plain_error(method.fake_score, x0, target, 7), rel=1e-3)
        expected = plain_error(method.target_teacher, batch.x0, target, 8)
        assert taught == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("loss", ["bce", "wgan-gp"])
def test_the_discriminator_reads_the_target_prompt_for_real_and_student_images(
    make_subject_spec, loss
):
    spec = make_subject_spec("unidad", distillation={"gan_loss": loss})
    method = build_method(spec)
    target, _, _ = embeddings(spec)
    read, features = [], method.fake_score.features
    method.fake_score.features = lambda x, sigma, c: read.append(c) or features(x, sigma, c)
    x0 = torch.randn(SHAPE, requires_grad=True)
    method.student_step(x0, batch_of(method, spec), generator())
    method.fake_score_step(x0.detach(), batch_of(method, spec), generator())
    assert [len(c) for c in read] == ([2, 4] if loss == "bce" else [2, 4, 2])
    for condition in read:
        torch.testing.assert_close(condition, target[:1].expand_as(condition))


def test_prior_preservation_is_a_second_loss_on_the_class(make_subject_spec, tmp_path):
    settings = {"prior": {"images": str(tmp_path / "subject.npz"), "weight": 0.5}}
    spec = make_subject_spec("finetune", settings=settings)
    method = build_method(spec)
    target, source, _ = embeddings(spec)
    of_class = torch.randn(SHAPE, generator=generator(3))
    batch = batch_of(method, spec, of_class)
    with torch.no_grad():
        (output,) = method.step(batch, 0, generator(4))
        draws = generator(4)
        on_subject = plain_error(method.student, batch.x0, target, draws)
        on_class = plain_error(method.student, of_class, source, draws)
    assert output.losses["denoising"].item() == pytest.approx(on_subject, rel=1e-3)
    assert output.losses["prior_preservation"].item() == pytest.approx(on_class, rel=1e-3)
    assert output.total.item() == pytest.approx(on_subject + 0.5 * on_class, rel=1e-3)


def test_the_trainer_draws_images_of_the_class(make_subject_spec, tmp_path):
    settings = {"prior": {"images": str(tmp_path / "subject.npz")}}
    spec = make_subject_spec("finetune", {"student_updates": 1}, settings, nfe=3)
    train(spec, tmp_path / "run", progress=False)
    columns = (tmp_path / "run/training.csv").read_text().splitlines()[0].split(",")
    assert columns[2:] == ["denoising", "prior_preservation", "student_gradient_norm"]


@pytest.mark.parametrize("start", ["student", "teacher"])
def test_the_fake_score_starts_from_a_pre_distilled_student(make_subject_spec, tmp_path, start):
    spec = make_subject_spec("dmd2")
    student = build_method(spec).student.model
    perturbed(student, 1)
    torch.save(student.state_dict(), tmp_path / "distilled.bin")
    settings = {"unet_weights": str(tmp_path / "distilled.bin")}
    distillation = {} if start == "student" else {"fake_score_start": "teacher"}
    spec = make_subject_spec("dmd2", settings=settings, distillation=distillation)
    options = json.loads(spec.model_dump_json())["variant"]["distillation"]
    assert options.get("fake_score_start") == (None if start == "student" else "teacher")
    method = build_method(spec)
    weights = [n.model.conv_in.weight for n in (method.student, method.fake_score, method.teacher)]
    assert torch.equal(weights[0], student.conv_in.weight)
    assert torch.equal(weights[1], weights[0] if start == "student" else weights[2])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("lora", [None, {"rank": 2}])
@pytest.mark.parametrize("prefix", ["", "fake."])
def test_the_fake_score_starts_from_a_release_s_own(make_subject_spec, tmp_path, prefix, lora):
    """A file with one network, or one that has it below a prefix, beside other things."""
    before = build_method(make_subject_spec("dmd2"))
    released = before.fake_score.model
    perturbed(released, 1)
    state = {f"{prefix}{name}": tensor for name, tensor in released.state_dict().items()}
    state |= {"heads.weight": torch.zeros(3)} if prefix else {}
    torch.save(state, tmp_path / "released.bin")
    settings = {"fake_score_weights": str(tmp_path / "released.bin"), "lora": lora}
    method = build_method(make_subject_spec("dmd2", settings=settings))
    networks = (method.fake_score, method.student, method.teacher)
    names = ("conv_in.weight", "conv_out.weight")
    found, student, teacher = ([net.model.state_dict()[n] for n in names] for net in networks)
    assert all(torch.equal(a, released.state_dict()[n]) for a, n in zip(found, names, strict=True))
    for network in (student, teacher):
        assert torch.equal(network[0], before.teacher.model.conv_in.weight)


def test_a_fake_score_s_weights_are_of_a_method_that_has_one(make_subject_spec):
    with pytest.raises(UserError, match=r"finetune has no text_to_image.fake_score_weights"):
        make_subject_spec("finetune", settings={"fake_score_weights": "x.bin"})


def trained(spec, folder) -> Trainer:
    method = build_method(spec)
    trainer = Trainer(spec, method, ImageSet.load(spec.data), folder, progress=False)
    trainer.run()
    return trainer


@torch.no_grad()
@pytest.mark.parametrize("lora", [None, {"rank": 2, "layers": "all"}])
def test_diffusers_alone_draws_the_trained_student_s_images(make_subject_spec, tmp_path, lora):
    training = {"student_updates": 1, "learning_rate": 1e-2, "warmup_updates": 1, "ema_decay": 0}
    spec = make_subject_spec("unidad", training, {"lora": lora})
    before = build_method(spec).student
    with torch.enable_grad():
        trainer = trained(spec, tmp_path / "run")
    student = trainer.result
    export(student, spec, tmp_path / "model")
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "model")
    pipeline.set_progress_bar_config(disable=True)
    count = sum(weight.numel() for weight in pipeline.unet.parameters())
    assert trainer.run()["parameters"] == count
    eps = torch.randn(SHAPE, generator=generator(6))
    text, _, _ = embeddings(spec)
    sigma = torch.full((2,), student.sigma_max)
    expected, untrained = (net(sigma[0] * eps, sigma, text) for net in (student, before))
    drawn = pipeline(
        ["a prt cat"] * 2,
        num_inference_steps=1,
        guidance_scale=0,
        latents=eps,
        output_type="latent",
    ).images
    torch.testing.assert_close(drawn, expected, rtol=1e-4, atol=1e-3)
    assert (expected - untrained).abs().max() > 0.05


def test_only_adapters_learn_where_there_are_any(make_subject_spec, tmp_path):
    training = {"student_updates": 2, "warmup_updates": 1}
    spec = make_subject_spec("unidad", training, {"lora": {"rank": 2}})
    before = build_method(spec).networks.state_dict()
    trainer = trained(spec, tmp_path / "run")
    after = trainer.method.networks.state_dict()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    up = {name for name in after if ".lora_B." in name}
    heads = {name for name in after if name.startswith("discriminator.")}
    assert up | heads <= moved <= {name for name in after if ".lora_" in name} | heads
    assert {name.split(".")[0] for name in up} == {"student", "fake_score", "target_teacher"}
    averages = trainer.ema.state_dict()
    assert all(
        torch.equal(averages[name], after[f"student.{name}"])
        for name in averages
        if ".lora_" not in name
    )


@torch.no_grad()
def test_the_sample_grid_shows_the_student_under_the_target_prompt(make_subject_spec, tmp_path):
    spec = make_subject_spec("dmd2", {"student_updates": 1, "sample_every": 1, "ema_decay": 0})
    with torch.enable_grad():
        student = trained(spec, tmp_path).method.student
    text, _, _ = embeddings(spec)
    sigma = torch.full((16,), student.sigma_max)
    x = student.sigma_max * IndexedNoise(spec.seed, range(16), student.shape)()
    x0 = student(x, sigma, text[:1].expand(16, -1, -1))
    expected = torch.from_numpy(to_uint8(student.codec.decode(x0))).int()
    grid = Image.open(tmp_path / "samples/000001.png").resize((64, 64), Image.Resampling.NEAREST)
    shown = torch.frombuffer(bytearray(grid.tobytes()), dtype=torch.uint8).int()
    tiles = shown.reshape(4, 16, 4, 16, 3).transpose(1, 2).reshape(16, 16, 16, 3)
    assert (tiles - expected).abs().max() <= 1


def test_other_weights_are_another_run(make_subject_spec, tmp_path):
    """Each in turn of U-Net, autoencoder, text encoder, the student's and the fake score's own."""
    spec = make_subject_spec("dmd2")
    folder = tmp_path / "stable-diffusion"
    own = tmp_path / "own.safetensors"
    own.write_bytes((folder / "unet" / WEIGHTS_NAME).read_bytes())
    fake = tmp_path / "fake.safetensors"
    fake.write_bytes(own.read_bytes())
    settings = {"unet_weights": str(own), "fake_score_weights": str(fake)}
    spec = make_subject_spec("dmd2", settings=settings)
    seen = {fingerprint(spec)}
    models = [folder / name / WEIGHTS_NAME for name in ("unet", "vae")]
    for path in [own, fake, *models, folder / "text_encoder" / TEXT_WEIGHTS_NAME]:
        state = load_file(path)
        next(iter(state.values())).add_(1)
        save_file(state, path)
        seen.add(fingerprint(spec))
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"prompts": PROMPTS | {"target": "a prt dog"}}, "'a prt dog' does not contain class_word"),
        ({"prompts": PROMPTS | {"target": "a cat"}}, "'a cat' does not contain rare_token 'prt'"),
        ({"prompts": PROMPTS | {"source": "a caterpillar"}}, "does not contain class_word 'cat'"),
        ({"prompts": PROMPTS | {"source": "a prt cat"}}, "contains rare_token 'prt'"),
        ({"prior": {"images": "x.npz"}}, "method dmd2 has no text_to_image.prior"),
    ],
)
def test_unfit_prompts_are_one_clear_line(make_subject_spec, tmp_path, changes, complaint):
    raw = json.loads(make_subject_spec("dmd2").model_dump_json())
    raw["text_to_image"] |= changes
    (tmp_path / "spec.json").write_text(json.dumps(raw))
    with pytest.raises(UserError, match=re.escape(complaint)) as error:
        load_spec(tmp_path / "spec.json")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"student": None}, "text_to_image needs a 'student'"),
        ({"diffusion": {}}, "needs diffusion.spacing 'timesteps'"),
        ({"diffusion": {"spacing": "timesteps", "student_sigma_max": 20}}, "student_sigma_max"),
        ({"variant": {"method": "dmd2", "nfe": 3}}, "students draw in one step; variant.nfe is 3"),
        (
            {"variant": {"method": "finetune", "nfe": 5, "sampler": "heun"}},
            "many-step models draw with ddim; variant.sampler is heun",
        ),
        ({"variant": {"method": "unidad", "nfe": 1}}, "dmd_target_share: a run needs a number"),
    ],
)
def test_unfit_settings_are_refused(make_subject_spec, change, complaint):
    raw = make_subject_spec("dmd2").model_dump() | change
    with pytest.raises(UserError, match=complaint):
        run_spec(raw, "spec")


@pytest.mark.parametrize(
    ("key", "word", "complaint"),
    [
        ("class_word", "zebra", "prompts.class_word 'zebra': 'zebra' is not one token but z"),
        ("rare_token", "xyz", "prompts.rare_token 'xyz': 'xyz' is not one token but x"),
    ],
)
def test_words_that_the_tokenizer_splits_are_one_clear_line(
    make_subject_spec, key, word, complaint
):
    words = {"class_word": "cat", "rare_token": "prt"} | {key: word}
    prompts = words | {
        "target": f"a {words['rare_token']} {words['class_word']}",
        "source": f"a {words['class_word']}",
    }
    with pytest.raises(UserError, match=complaint) as error:
        build_method(make_subject_spec("finetune", settings={"prompts": prompts}))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "part", ["model_index.json", "vae/config.json", f"text_encoder/{TEXT_WEIGHTS_NAME}"]
)
def test_missing_parts_are_one_clear_line(make_subject_spec, stable_diffusion, part):
    spec = make_subject_spec("finetune")
    (stable_diffusion / part).unlink()
    with pytest.raises(UserError, match=re.escape(part)) as error:
        build_method(spec)
    assert len(str(error.value).splitlines()) == 1
