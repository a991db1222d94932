"""A flow-matching transformer through training, drawing and export, checked by plain diffusers."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from json_files import change_json
from safetensors.torch import load_file

from unidad.config.diffusion import Diffusion
from unidad.data.image_set import to_uint8
from unidad.diffusion.samplers import IndexedNoise
from unidad.files import write_json
from unidad.models.export import export_run
from unidad.models.place import place
from unidad.models.recipes import Placing
from unidad.networks.backbone import frozen
from unidad.networks.codec import LatentCodec
from unidad.networks.flow_transformer import TEXT_PARTS, TOKENIZERS, FlowTransformer, packed
from unidad.networks.folder import DRAWING, WEIGHTS_NAME
from unidad.networks.registry import load_backbone
from unidad.sampling import load_image_model
from unidad.training.run import train

TOKENS, POOLED = 24, 16
SUMMARY = {"updates": {"student": 1}, "seconds": 1.0, "parameters": 2, "nfe": 3}
DIFFUSION = Diffusion(sigma_max=20.0, student_sigma_max=20.0, student_sigma_min=0.25)


def new_transformer(**changes) -> SD3Transformer2DModel:
    torch.manual_seed(0)
    config = {
        "sample_size": 8,
        "patch_size": 2,
        "in_channels": 12,
        "out_channels": 12,
        "num_layers": 3,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": TOKENS,
        "caption_projection_dim": 32,
        "pooled_projection_dim": POOLED,
        "pos_embed_max_size": 8,
    }
    return SD3Transformer2DModel(**config | changes)


@pytest.fixture
def net() -> FlowTransformer:
    return FlowTransformer(new_transformer(), FlowMatchEulerDiscreteScheduler(shift=3.0)).eval()


@pytest.fixture
def flow_folder(net, tmp_path):
    net.save(tmp_path / "flow", "few_step", 3, DIFFUSION)
    return tmp_path / "flow"


def randn(*shape) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def test_trained_levels_are_the_scheduler_s_times_below_one(net):
    """Shift 3 makes 0.5 of 0.25 and 0.75 of 0.5: levels 1 and 3; the last is 3 * 999."""
    levels = net.trained_levels
    assert levels.shape == (999,)
    assert levels[[249, 499]].tolist() == pytest.approx([1, 3], rel=1e-4)
    assert net.sigma_max == pytest.approx(3 * 999, rel=1e-2)
    plain = FlowTransformer(new_transformer(), FlowMatchEulerDiscreteScheduler())
    assert plain.trained_levels[[0, 499]].tolist() == pytest.approx([1 / 999, 1], rel=1e-4)


@torch.no_grad()
def test_x0_is_that_of_the_velocity_at_the_flow_s_time(net):
    """sigma 3 is t = 0.75: x_t = x / 4 and x0 = x_t - 0.75 u; likewise for 0.25, t = 0.2."""
    x, condition = randn(2, 12, 8, 8), randn(2, 6, TOKENS)
    x0 = net(x, torch.tensor([3.0, 0.25]), condition)
    for row, time in enumerate((0.75, 0.2)):
        x_t, one = (1 - time) * x[row : row + 1], condition[row : row + 1]
        velocity = net.model(
            hidden_states=x_t,
            encoder_hidden_states=one[:, :5],
            pooled_projections=one[:, 5, :POOLED],
            timestep=torch.tensor([1000 * time]),
        ).sample
        torch.testing.assert_close(x0[row : row + 1], x_t - time * velocity, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_text_and_pooled_projections_travel_in_one_condition(net):
    x, sigma, text, pooled = (
        randn(1, 12, 8, 8),
        torch.ones(1),
        randn(1, 5, TOKENS),
        randn(1, POOLED),
    )
    expected = x / 2 - 0.5 * net.model(x / 2, text, pooled, torch.tensor([500.0])).sample
    torch.testing.assert_close(net(x, sigma, packed(text, pooled)), expected)
    assert not torch.allclose(net(x, sigma, packed(text, 0 * pooled)), expected, atol=1e-3)


@torch.no_grad()
def test_no_condition_is_one_token_of_zeros(net):
    x, sigma = randn(2, 12, 8, 8), torch.tensor([0.5, 5.0])
    zeros = packed(torch.zeros(2, 1, TOKENS), torch.zeros(2, POOLED))
    assert torch.equal(net(x, sigma), net(x, sigma, zeros))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_features_are_those_of_the_full_pass_and_no_later_block_runs(net, checkpointing):
    if checkpointing:
        net.checkpoint_activations()
    assert net.checkpointing == checkpointing
    x, sigma, seen, later = randn(2, 12, 8, 8), torch.tensor([0.5, 5.0]), [], []
    blocks = net.model.transformer_blocks
    hooks = [b.register_forward_hook(lambda m, a, out: seen.append(out[1])) for b in blocks[:2]]
    net(x, sigma)
    for hook in hooks:
        hook.remove()
    blocks[2].register_forward_hook(lambda *_: later.append(1))
    features = net.features(x, sigma)
    assert {name: t.shape[1] for name, t in features.items()} == net.feature_channels
    assert list(features) == ["block0", "middle"]
    assert not later
    for found, hidden in zip(features.values(), seen, strict=True):
        assert found.shape == (2, 32, 4, 4)
        torch.testing.assert_close(found[:, :, 1, 2], hidden[:, 4 * 1 + 2])
    features["middle"].sum().backward()
    assert blocks[0].attn.to_q.weight.grad.abs().sum() > 0


def test_gradients_pass_through_a_frozen_one(net):
    x = randn(1, 12, 8, 8).requires_grad_(True)
    with frozen(net):
        loss = net.features(x, torch.ones(1))["middle"].square().mean()
    loss.backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.parameters())


def test_adapters_and_the_layers_that_read_the_condition(net):
    names = {id(p): name for name, p in net.model.named_parameters()}
    trained = {
        names[id(p)].rpartition(".")[0].rpartition(".")[2] for p in net.train_keys_and_values()
    }
    assert trained == {"add_k_proj", "add_v_proj"}
    net.add_adapters(2, "attention")
    x, sigma = randn(1, 12, 8, 8), torch.ones(1)
    with torch.no_grad():
        for parameter in (p for p in net.parameters() if p.requires_grad):
            parameter.add_(0.1)
        adapted = net(x, sigma)
        torch.testing.assert_close(net.without_adapters()(x, sigma), adapted, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def by_diffusers(folder, eps, noise) -> np.ndarray:
    """Draw with nothing but diffusers and the numbers in the folder."""
    transformer = SD3Transformer2DModel.from_pretrained(folder, subfolder="transformer")
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
    drawing = json.loads((folder / DRAWING).read_text())
    scheduler.set_timesteps(sigmas=drawing["sigmas"])
    text, pooled = torch.zeros(len(eps), 1, TOKENS), torch.zeros(len(eps), POOLED)
    x_t = scheduler.sigmas[0] * eps
    for step, t in enumerate(scheduler.timesteps):
        velocity = transformer(x_t, text, pooled, t.expand(len(eps))).sample
        if scheduler.config.stochastic_sampling and step + 1 < len(scheduler.timesteps):
            following = scheduler.sigmas[step + 1]
            x0 = x_t - scheduler.sigmas[step] * velocity
            x_t = (1 - following) * x0 + following * noise()
            scheduler._step_index = step + 1
        else:
            x_t = scheduler.step(velocity, t, x_t).prev_sample
    return x_t


@pytest.mark.parametrize(("sampler", "nfe"), [("few_step", 3), ("ddim", 5)])
def test_a_loop_of_plain_diffusers_draws_the_exported_model_s_images(net, tmp_path, sampler, nfe):
    net.save(tmp_path / "m", sampler, nfe, DIFFUSION)
    ours = load_image_model(tmp_path / "m").draw(7, range(3))
    noise = IndexedNoise(7, range(3), net.shape)
    x0 = by_diffusers(tmp_path / "m", noise(), noise)
    gap = np.abs(to_uint8(net.codec.decode(x0)).astype(int) - ours)
    assert gap.max() <= 1
    assert ours.std() > 20


def test_the_scheduler_s_own_stochastic_step_is_ours(flow_folder):
    """Its fresh noise, asked for with its own generator, is the formula of the loop above."""
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(flow_folder, subfolder="scheduler")
    assert scheduler.config.stochastic_sampling
    scheduler.set_timesteps(sigmas=json.loads((flow_folder / DRAWING).read_text())["sigmas"])
    assert scheduler.sigmas[:-1].tolist() == pytest.approx(
        [s / (1 + s) for s in (20, 5**0.5, 0.25)], rel=1e-5
    )
    x_t, velocity, following = randn(1, 12, 8, 8), randn(1, 12, 8, 8) / 2, scheduler.sigmas[1]
    step = scheduler.step(
        velocity, scheduler.timesteps[0], x_t, generator=torch.Generator().manual_seed(1)
    )
    fresh = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(1))
    x0 = x_t - scheduler.sigmas[0] * velocity
    torch.testing.assert_close(step.prev_sample, (1 - following) * x0 + following * fresh)


def test_the_export_is_a_pipeline_of_diffusers(tmp_path, tiny_vae, caplog):
    """With prompts embedded elsewhere, and latents at the first of the scheduler's times."""
    tiny_vae.register_to_config(shift_factor=0.1)
    codec = LatentCodec(tiny_vae)
    transformer = new_transformer(in_channels=4, out_channels=4)
    net = FlowTransformer(transformer, FlowMatchEulerDiscreteScheduler(shift=3.0), codec=codec)
    net.save(tmp_path / "m", "ddim", 4, DIFFUSION)
    absent = dict.fromkeys((*TEXT_PARTS, *TOKENIZERS))
    pipeline = StableDiffusion3Pipeline.from_pretrained(tmp_path / "m", **absent)
    assert not caplog.records
    pipeline.set_progress_bar_config(disable=True)
    drawing = json.loads((tmp_path / "m" / DRAWING).read_text())
    model = load_image_model(tmp_path / "m")
    eps = IndexedNoise(7, [0], net.shape)()
    images = pipeline(
        prompt_embeds=torch.zeros(1, 1, TOKENS),
        pooled_prompt_embeds=torch.zeros(1, POOLED),
        guidance_scale=0,
        height=8 * codec.factor,
        width=8 * codec.factor,
        sigmas=drawing["sigmas"],
        latents=20 / 21 * eps,
        output_type="np",
    ).images
    assert np.abs(np.round(images[0] * 255) - model.draw(7, [0])[0]).max() <= 1


@pytest.mark.parametrize("method", ["finetune", "dmd2", "unidad"])
def test_it_trains_draws_and_exports(method, flow_folder, make_spec, tmp_path):
    """Through the entry that the workflow calls, with its heads on the transformer's blocks."""
    start = {
        "student": str(flow_folder),
        "teacher": None if method == "finetune" else str(flow_folder),
        "diffusion": Diffusion(spacing="timesteps", student_sigma_max=20.0),
    }
    spec = make_spec(method, {"snapshots": 1}).model_copy(update=start)
    summary = train(spec, tmp_path / "run", progress=False)
    assert summary["updates"]["student"] == 4
    before, after = (
        load_file(folder / "transformer" / WEIGHTS_NAME)
        for folder in (flow_folder, tmp_path / "run/model")
    )
    assert before.keys() == after.keys()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert {"proj_out.weight", "pos_embed.proj.weight"} <= set(moved)
    model = load_image_model(tmp_path / "run/model")
    images = model.draw(1, range(2))
    assert images.shape == (2, 16, 16, 3)
    noise = IndexedNoise(1, range(2), model.network.shape)
    x0 = by_diffusers(tmp_path / "run/model", noise(), noise)
    assert np.abs(to_uint8(model.network.codec.decode(x0)).astype(int) - images).max() <= 1
    assert model.diffusion.sigma_max == pytest.approx(model.network.sigma_max)


def test_its_facts(flow_folder):
    facts = load_backbone(flow_folder).facts(["float32"])
    assert facts["prediction"] == "flow"
    assert facts["resolution"] == "16x16"
    assert facts["noise levels"].startswith("999, shift 3.0, sigma 0.003")


SCHEDULER = "scheduler/scheduler_config.json"


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda f: shutil.rmtree(f / "scheduler"), "scheduler_config.json: no such file; a flow"),
        (
            lambda f: change_json(f / SCHEDULER, use_dynamic_shifting=True),
            "expected a FlowMatchEulerDiscreteScheduler of a fixed shift",
        ),
        (
            lambda f: change_json(
                f / "scheduler/scheduler_config.json", _class_name="DDPMScheduler"
            ),
            "expected a FlowMatchEulerDiscreteScheduler of a fixed shift, found DDPMScheduler",
        ),
        (
            lambda f: change_json(f / "transformer/config.json", joint_attention_dim=8),
            "weights of another architecture",
        ),
        (lambda f: (f / "transformer" / WEIGHTS_NAME).unlink(), "weights are missing"),
    ],
)
def test_an_unfit_folder_is_one_clear_line(flow_folder, damage, complaint, complaint_of):
    damage(flow_folder)
    with complaint_of(flow_folder, complaint):
        load_backbone(flow_folder)


def test_a_vae_in_the_folder_is_its_codec(tmp_path, tiny_vae):
    transformer = new_transformer(in_channels=4, out_channels=4)
    net = FlowTransformer(
        transformer, FlowMatchEulerDiscreteScheduler(), codec=LatentCodec(tiny_vae)
    )
    net.save(tmp_path / "m")
    codec = load_backbone(tmp_path / "m").codec
    assert isinstance(codec, LatentCodec)
    assert isinstance(codec.vae, AutoencoderKL)


@pytest.mark.parametrize("latent", [False, True])
def test_one_as_a_source_teacher_becomes_a_many_step_model(flow_folder, tmp_path, tiny_vae, latent):
    if latent:
        transformer = new_transformer(in_channels=4, out_channels=4)
        scheduler = FlowMatchEulerDiscreteScheduler()
        FlowTransformer(transformer, scheduler, codec=LatentCodec(tiny_vae)).save(tmp_path / "flow")
    place(Placing(origin=str(flow_folder)), tmp_path / "placed")
    model = load_image_model(tmp_path / "placed")
    assert (model.sampler, model.nfe) == ("ddim", 25)
    weights = load_file(flow_folder / "transformer" / WEIGHTS_NAME)
    assert all(
        torch.equal(weights[name], t) for name, t in model.network.model.state_dict().items()
    )


def test_a_run_s_export_says_how_to_draw(net, tmp_path):
    net.save(tmp_path / "run" / "model", "few_step", 3, DIFFUSION)
    write_json(tmp_path / "run" / "training.json", SUMMARY)
    export_run(tmp_path / "run", tmp_path / "mine")
    card = (tmp_path / "mine" / "README.md").read_text()
    assert 'load_image_model("mine")' in card
    ours, theirs = (load_image_model(tmp_path / n).draw(5, [2]) for n in ("mine", "run/model"))
    assert np.array_equal(ours, theirs)
