"""`import-adm` and `check-model` as a user meets them."""

import hashlib
import json

import pytest
import torch
from adm_reference import Adm, forward, random_state
from safetensors.torch import load_file

from unidad.models.place import place
from unidad.models.recipes import Placing
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.registry import load_backbone
from unidad.sampling import load_image_model

ADM = Adm(head=16)
OPTIONS = ("--head-channels", "16", "--resolution", "16")


@pytest.fixture(autouse=True)
def checkpoint(tmp_path):
    """A checkpoint in the working directory."""
    torch.save(random_state(ADM), tmp_path / "ffhq.pt")
    return tmp_path / "ffhq.pt"


@torch.no_grad()
def test_an_imported_checkpoint_is_a_source_teacher(told, tmp_path):
    assert told("import-adm", "ffhq.pt", "--out", "models/ffhq", *OPTIONS) == (0, [], [])
    place(Placing(origin="models/ffhq"), tmp_path / "placed")
    network = load_backbone("placed")
    scaled = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    x = scaled * 6401**0.5
    expected = x - 80 * forward(ADM, random_state(ADM), scaled, torch.tensor([930]))[:, :3]
    error = (network(x, torch.tensor([80.0])) - expected).abs().max()
    assert error / expected.abs().max() < 1e-4
    assert load_image_model("models/ffhq").draw(0, range(2), 1)[1].shape == (16, 16, 3)


def test_the_card_tells_where_the_weights_are_from(told, checkpoint):
    told("import-adm", "ffhq.pt", "--out", "models/ffhq", *OPTIONS, "--dtype", "bfloat16")
    weights = checkpoint.parent / "models" / "ffhq" / "unet" / WEIGHTS_NAME
    lines = (weights.parents[1] / "README.md").read_text().splitlines()
    assert lines[0] == "# ffhq"
    assert {
        f"- sha256 of ffhq.pt: `{hashlib.sha256(checkpoint.read_bytes()).hexdigest()}`",
        f"- sha256 of {WEIGHTS_NAME}: `{hashlib.sha256(weights.read_bytes()).hexdigest()}`",
        f"- parameters: {sum(t.numel() for t in random_state(ADM).values()):,}",
        "- dtype: bfloat16",
        "- order of qkv: legacy",
        "- resolution: 16x16",
    } <= set(lines)
    assert {tensor.dtype for tensor in load_file(weights).values()} == {torch.bfloat16}


def test_options_reach_the_model(told, checkpoint):
    options = (*OPTIONS, "--new-attention-order", "--drop-variance")
    assert told("import-adm", "ffhq.pt", "--out", "new", *options)[0] == 0
    config = json.loads((checkpoint.parent / "new" / "unet" / "config.json").read_text())
    keys = ("out_channels", "sample_size", "attention_head_dim")
    assert [config[key] for key in keys] == [3, 16, 16]
    state, qkv = random_state(ADM), "middle_block.1.qkv.weight"
    weights = load_file(checkpoint.parent / "new" / "unet" / WEIGHTS_NAME)
    assert torch.equal(weights["mid_block.attentions.0.to_k.weight"], state[qkv][64:128, :, 0])
    assert "- order of qkv: new" in (checkpoint.parent / "new" / "README.md").read_text()


def test_check_model_tells_what_a_checkpoint_holds(told):
    status, out, err = told("check-model", "ffhq.pt")
    assert (status, err) == (0, [])
    assert out == [
        "format: guided-diffusion checkpoint, unconditional",
        "architecture: UNet2DModel, scale_shift time embedding, resnet resampling",
        "residual blocks: 1 a block",
        f"parameters: {sum(t.numel() for t in random_state(ADM).values()):,}",
        "dtype: float32",
        "channels: 3 in, 6 out (with a learned variance, which is ignored)",
        "attention heads: their width is not in the file; import-adm --head-channels",
        "resolution: not in the file; import-adm --resolution",
        "blocks: 1/1: 32, 1/2: 64 with attention",
        "prediction: epsilon",
        "noise levels: 1000, linear betas, sigma 0.01 to 157.4",
    ]


def test_check_model_tells_what_a_folder_holds(told, model_folder):
    status, out, err = told("check-model", model_folder)
    assert (status, err) == (0, [])
    parameters = sum(t.numel() for t in load_file(model_folder / "unet" / WEIGHTS_NAME).values())
    assert out == [
        "format: diffusers folder",
        "architecture: UNet2DModel, default time embedding, conv resampling",
        "residual blocks: 1 a block",
        f"parameters: {parameters:,}",
        "dtype: float32",
        "channels: 12 in, 12 out",
        "attention heads: 32 channels wide",
        "resolution: 16x16, unshuffled to 8x8",
        "blocks: 1/1: 32, 1/2: 32 with attention",
        "prediction: v_prediction",
        "noise levels: 1000, linear betas, sigma 0.01 to 157.4",
    ]


def test_check_model_agrees_on_both_sides_of_an_import(told):
    told("import-adm", "ffhq.pt", "--out", "ffhq", *OPTIONS, "--dtype", "bfloat16")
    before, after = (told("check-model", path)[1] for path in ("ffhq.pt", "ffhq"))
    assert {line for line in after if line not in before} == {
        "format: diffusers folder",
        "dtype: bfloat16",
        "attention heads: 16 channels wide",
        "resolution: 16x16",
    }


class Sentinel:
    """A class in a pickle."""


def with_change(**changes):
    return lambda path: torch.save(random_state(ADM) | changes, path)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (with_change(stray=torch.ones(1)), "'stray' is not in the model"),
        (with_change(**{"out.2.bias": torch.ones(3)}), "'out.2.bias' is (3,) in the file"),
        (with_change(**{"label_emb.weight": torch.ones(9, 128)}), "class-conditional"),
        (lambda p: torch.save({"model": Sentinel()}, p), "holds a pickled"),
        (lambda p: p.write_text("hello\n"), "not a readable file of torch.save"),
        (lambda p: p.unlink(), "no such file"),
    ],
)
@pytest.mark.parametrize("verb", ["import-adm", "check-model"])
def test_a_mistake_is_one_line_and_leaves_nothing(verb, damage, complaint, told, checkpoint):
    damage(checkpoint)
    arguments = ["--out", "models/ffhq", *OPTIONS] if verb == "import-adm" else []
    status, out, err = told(verb, "ffhq.pt", *arguments)
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith(f"unidad {verb}: ffhq.pt: " if verb == "import-adm" else "unidad ")
    assert complaint in err[0]
    assert {path.name for path in checkpoint.parent.iterdir()} <= {"ffhq.pt"}


def test_options_that_do_not_fit_leave_nothing(told, checkpoint):
    status, _, err = told("import-adm", "ffhq.pt", "--out", "ffhq", "--head-channels", "24")
    assert (status, len(err)) == (2, 1)
    assert "--head-channels 24: does not divide a block of 64 channels" in err[0]
    assert list(checkpoint.parent.iterdir()) == [checkpoint]
