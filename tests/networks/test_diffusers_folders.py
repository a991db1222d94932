"""Folders that diffusers wrote, not we: DDPM pipelines as source teachers."""

import json
import shutil

import pytest
import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors.torch import load_file, save_file

from unidad.errors import UserError
from unidad.files import write_json
from unidad.models.place import place
from unidad.models.recipes import Placing
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.registry import load_backbone
from unidad.sampling import load_image_model

FORMER = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def ddpm(**changes) -> DDPMPipeline:
    """As google/ddpm-* are configured, but tiny."""
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=16,
        block_out_channels=(16, 16, 32),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        **{
            "attention_head_dim": None,
            "norm_num_groups": 8,
            "norm_eps": 1e-6,
            "downsample_padding": 0,
            "flip_sin_to_cos": False,
            "freq_shift": 1,
        }
        | changes,
    )
    return DDPMPipeline(unet.eval(), DDPMScheduler(variance_type="fixed_large"))


@pytest.fixture
def folder(tmp_path):
    ddpm().save_pretrained(tmp_path / "ddpm")
    return tmp_path / "ddpm"


def flatten(folder):
    """The layout of google/ddpm-*: everything side by side, former names of attention layers."""
    state = load_file(folder / "unet" / WEIGHTS_NAME)
    for name in [name for name in state if ".attentions." in name]:
        former = name
        for present, past in FORMER.items():
            former = former.replace(present, past)
        state[former] = state.pop(name)
    assert "mid_block.attentions.0.proj_attn.bias" in state
    save_file(state, folder / WEIGHTS_NAME)
    shutil.move(folder / "unet" / "config.json", folder)
    shutil.move(folder / "scheduler" / "scheduler_config.json", folder)
    shutil.rmtree(folder / "unet")
    shutil.rmtree(folder / "scheduler")


@torch.no_grad()
@pytest.mark.parametrize("layout", [lambda folder: None, flatten], ids=["folders", "flat"])
def test_a_ddpm_pipeline_is_a_source_teacher(layout, folder, tmp_path):
    layout(folder)
    place(Placing(origin=str(folder)), tmp_path / "placed")
    network = load_backbone(tmp_path / "placed")
    pipeline = ddpm()
    t = 400
    alpha_bar = pipeline.scheduler.alphas_cumprod[t]
    sigma = ((1 - alpha_bar) / alpha_bar).sqrt().expand(2)
    scaled = torch.randn(2, 3, 16, 16)
    eps = pipeline.unet(scaled, t).sample
    expected = (scaled - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()
    assert torch.allclose(network(scaled / alpha_bar.sqrt(), sigma), expected, atol=1e-5)
    assert network.shape == (3, 16, 16)
    assert load_image_model(tmp_path / "placed").draw(0, [0], 2).shape == (1, 16, 16, 3)


@pytest.mark.parametrize("kind", ["conv", "resnet"])
def test_features_are_those_of_the_full_pass(kind, tmp_path, check_features):
    pipeline = ddpm(downsample_type=kind, upsample_type=kind)
    pipeline.save_pretrained(tmp_path / "ddpm")
    network = load_backbone(tmp_path / "ddpm")
    features = check_features(network, torch.randn(2, 3, 16, 16), torch.tensor([0.3, 20.0]))
    assert {name: tuple(f.shape[1:]) for name, f in features.items() if "/" not in name} == {
        "down0": (16, 8, 8),
        "down1": (16, 4, 4),
        "down2": (32, 4, 4),
        "middle": (32, 4, 4),
    }


def test_the_scheduler_may_be_of_another_sampler(folder):
    DDIMScheduler(prediction_type="v_prediction", beta_end=0.01).save_pretrained(
        folder / "scheduler"
    )
    scheduler = load_backbone(folder).scheduler
    assert scheduler.config.prediction_type == "v_prediction"
    assert float(scheduler.betas[-1]) == pytest.approx(0.01)


def write(file, **changes):
    return lambda folder: write_json(
        folder / file, json.loads((folder / file).read_text()) | changes
    )


def drop(file, key):
    def change(folder):
        config = json.loads((folder / file).read_text())
        del config[key]
        write_json(folder / file, config)

    return change


UNET, SCHEDULER = "unet/config.json", "scheduler/scheduler_config.json"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            write(UNET, _class_name="UNet2DConditionModel"),
            f"{UNET}: UNet2DConditionModel reads text; images alone",
        ),
        (
            write(UNET, _class_name="UNet1DModel"),
            f"{UNET}: _class_name: expected one of UNet2DModel, UNet2DConditionModel",
        ),
        (
            write(UNET, num_class_embeds=10),
            f"{UNET}: num_class_embeds: only None is supported, found 10",
        ),
        (write(UNET, time_embedding_type="fourier"), "time_embedding_type: only positional is"),
        (write(UNET, mid_block_type=None), "mid_block_type: only UNetMidBlock2D is supported"),
        (write(UNET, center_input_sample=True), "center_input_sample: only False is supported"),
        (write(UNET, sample_size=None), f"{UNET}: sample_size: missing"),
        (write(UNET, norm_num_groups=7), f"{UNET}: no model of this kind"),
        (
            drop(SCHEDULER, "beta_schedule"),
            f"{SCHEDULER}: no 'beta_schedule'; only",
        ),
        (
            write(SCHEDULER, prediction_type="flow"),
            f"{SCHEDULER}: prediction_type is 'flow'; choose one of",
        ),
    ],
)
def test_what_the_contract_cannot_take_is_one_line(
    change, complaint, folder, tmp_path, complaint_of
):
    change(folder)
    with complaint_of(folder, complaint):
        place(Placing(origin=str(folder)), tmp_path / "placed")
    assert not list(tmp_path.glob("placed*"))


def test_a_u_net_without_a_scheduler_is_not_guessed_at(folder, tmp_path):
    shutil.copytree(folder / "unet", tmp_path / "unet-alone")
    with pytest.raises(UserError, match=r"unet-alone/scheduler_config.json: no such file"):
        load_backbone(tmp_path / "unet-alone")
