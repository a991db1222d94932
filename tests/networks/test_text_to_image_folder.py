import json
import logging
import os
import shutil
from functools import partial

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from unidad.diffusion.samplers import sample_few_step
from unidad.errors import UserError
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.registry import load_backbone
from unidad.networks.text_to_image import TextToImageUNet
from unidad.networks.text_to_image_folder import (
    TEXT_WEIGHTS_NAME,
    load_codec,
    load_text_encoder,
)

UNET, VAE = f"unet/{WEIGHTS_NAME}", f"vae/{WEIGHTS_NAME}"
TEXT = f"text_encoder/{TEXT_WEIGHTS_NAME}"
SCHEDULER = "scheduler/scheduler_config.json"
PROMPT = "a photo of a prt dog"


def load(folder, unet_weights=None) -> TextToImageUNet:
    return load_backbone(folder, codec=load_codec(folder), weights=unet_weights)


def load_all(folder) -> None:
    load(folder)
    load_text_encoder(folder)


def change_weights(path, change) -> None:
    state = load_file(path)
    change(state)
    save_file(state, path, metadata={"format": "pt"})


def change_json(path, **entries) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def renamed(state: dict, pairs: dict) -> dict:
    """Replace parts of names."""
    for new, old in pairs.items():
        state = {name.replace(new, old): tensor for name, tensor in state.items()}
    return state


def test_everything_is_loaded_as_it_was_saved(stable_diffusion, tiny_unet, tiny_vae):
    net = load(stable_diffusion)
    for ours, theirs in ((net.unet, tiny_unet), (net.codec.vae, tiny_vae)):
        expected = theirs.state_dict()
        assert ours.state_dict().keys() == expected.keys()
        assert all(torch.equal(t, expected[name]) for name, t in ours.state_dict().items())
    assert not net.training
    assert not net.codec.vae.training
    assert not load_text_encoder(stable_diffusion).model.training
    assert (net.scheduler.config.beta_schedule, net.scheduler.config.beta_end) == (
        "scaled_linear",
        0.012,
    )


def test_loading_says_nothing(stable_diffusion, capfd, recwarn):
    capfd.readouterr()
    recwarn.clear()
    load_all(stable_diffusion)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_half_precision_releases_become_float32(stable_diffusion):
    for name in (UNET, VAE, TEXT):
        change_weights(
            stable_diffusion / name,
            lambda state: state.update({key: t.half() for key, t in state.items()}),
        )
    change_json(stable_diffusion / "text_encoder" / "config.json", torch_dtype="float16")
    net, text = load(stable_diffusion), load_text_encoder(stable_diffusion)
    for module in (net.unet, net.codec.vae, text.model):
        assert {p.dtype for p in module.parameters()} == {torch.float32}


def test_names_of_older_releases_are_understood(stable_diffusion):
    """As in the public Stable Diffusion 1.5: vae attention, text_model., position_ids."""
    prompt_before = load_text_encoder(stable_diffusion)([PROMPT])
    images = torch.rand(1, 3, 16, 16) * 2 - 1
    latents_before = load_codec(stable_diffusion).encode(images)
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    state = load_file(stable_diffusion / VAE)
    assert renamed(state, old).keys() != state.keys()
    save_file(renamed(state, old), stable_diffusion / VAE)
    state = load_file(stable_diffusion / TEXT)
    state = {f"text_model.{name.removeprefix('text_model.')}": t for name, t in state.items()}
    state["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(state, stable_diffusion / TEXT)
    assert torch.equal(load_text_encoder(stable_diffusion)([PROMPT]), prompt_before)
    assert torch.equal(load_codec(stable_diffusion).encode(images), latents_before)


def remove(name):
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            remove("model_index.json"),
            "model_index.json: no such file; a text-to-image folder holds",
        ),
        (
            lambda f: change_json(f / "model_index.json", _class_name="StableDiffusionXLPipeline"),
            "'_class_name' is 'StableDiffusionXLPipeline'; only a StableDiffusionPipeline",
        ),
        (remove("unet/config.json"), "unet/config.json: no such file; a text-to-image folder"),
        (remove("vae/config.json"), "vae/config.json: no such file; a text-to-image folder"),
        (remove("text_encoder/config.json"), "text_encoder/config.json: no such file"),
        (remove(SCHEDULER), "scheduler_config.json: no such file"),
        (
            lambda f: (f / SCHEDULER).write_text('{"num_train_timesteps": 1000}'),
            "scheduler_config.json: no 'beta_schedule'; only diffusion with betas",
        ),
        (
            lambda f: change_json(f / SCHEDULER, beta_schedule="steep"),
            "scheduler_config.json: steep is not implemented",
        ),
        (
            lambda f: change_json(f / SCHEDULER, prediction_type="flow"),
            r"scheduler_config.json: prediction_type is 'flow'; choose one of \('epsilon'",
        ),
        (remove("tokenizer/tokenizer.json"), "tokenizer: no tokenizer.json, nor vocab.json with"),
        (lambda f: (f / "tokenizer/tokenizer.json").write_text("{"), "not a readable CLIP token"),
        (remove(UNET), f"{UNET}: weights are missing"),
        (remove(VAE), f"{VAE}: weights are missing"),
        (remove(TEXT), f"{TEXT}: weights are missing"),
        (lambda f: (f / TEXT).write_text("junk"), f"{TEXT}: not a readable safetensors file"),
        (
            lambda f: change_weights(f / VAE, lambda s: s.pop("decoder.conv_in.bias")),
            f"{VAE}: weights of another architecture: no 'decoder.conv_in.bias' in the file",
        ),
        (
            lambda f: change_weights(
                f / TEXT, lambda s: s.update({"final_layer_norm.bias": torch.zeros(3)})
            ),
            r"'final_layer_norm.bias' is \(3,\) in the file, \(32,\) in the model",
        ),
        (
            lambda f: change_weights(f / UNET, lambda s: s.update({"extra": torch.zeros(3)})),
            f"{UNET}: weights of another architecture: 'extra' is not in the model",
        ),
        (
            lambda f: change_weights(f / VAE, lambda s: s.update({"extra": torch.zeros(3)})),
            f"{VAE}: weights of another architecture: 'extra' is not in the model",
        ),
        (
            lambda f: change_json(f / SCHEDULER, rescale_betas_zero_snr=True),
            "scheduler_config.json: rescale_betas_zero_snr makes the last noise level infinite",
        ),
        (
            lambda f: change_json(f / "unet/config.json", block_out_channels=[32]),
            "unet/config.json: no model of this kind",
        ),
        (
            lambda f: change_json(f / "text_encoder/config.json", hidden_size="wide"),
            "text_encoder/config.json: no model of this kind",
        ),
        (
            lambda f: change_json(f / "unet/config.json", class_embed_type="timestep"),
            "another architecture: no 'class_embedding",
        ),
    ],
)
def test_an_unfit_folder_is_one_clear_line(stable_diffusion, damage, complaint, complaint_of):
    damage(stable_diffusion)
    with complaint_of(stable_diffusion, complaint):
        load_all(stable_diffusion)


@pytest.mark.parametrize("ending", ["safetensors", "bin", "pt"])
def test_a_bare_state_dict_takes_the_place_of_the_folder_s_own(stable_diffusion, tmp_path, ending):
    state = {name: tensor * 1.5 for name, tensor in load_file(stable_diffusion / UNET).items()}
    path = tmp_path / f"student.{ending}"
    (save_file if ending == "safetensors" else torch.save)(state, path)
    loaded = load(stable_diffusion, path).unet.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda s: s.pop("conv_in.bias"), "student.bin: .*: no 'conv_in.bias' in the file"),
        (lambda s: s.update(extra=torch.zeros(1)), "'extra' is not in the model"),
        (lambda s: s.update({"conv_in.bias": torch.zeros(7)}), r"'conv_in.bias' is \(7,\)"),
        (lambda s: s.update(optimizer={"step": 3}), "not a bare state dict: 'optimizer' is no"),
    ],
)
def test_an_unfit_state_dict_is_named(stable_diffusion, tmp_path, change, complaint):
    state = load_file(stable_diffusion / UNET)
    change(state)
    torch.save(state, tmp_path / "student.bin")
    with pytest.raises(UserError, match=complaint) as error:
        load(stable_diffusion, tmp_path / "student.bin")
    assert len(str(error.value).splitlines()) == 1


class Malicious:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_pickled_code_is_refused_and_never_run(stable_diffusion, tmp_path):
    torch.save({"conv_in.bias": Malicious(tmp_path / "ran")}, tmp_path / "student.bin")
    with pytest.raises(UserError, match=r"student.bin: holds a pickled") as error:
        load(stable_diffusion, tmp_path / "student.bin")
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04cut short"])
def test_an_unreadable_state_dict_is_one_clear_line(stable_diffusion, tmp_path, content):
    (tmp_path / "student.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"student.pt: .* or cut short; download") as error:
        load(stable_diffusion, tmp_path / "student.pt")
    assert len(str(error.value).splitlines()) == 1


def one_step(net: TextToImageUNet, text, eps: torch.Tensor) -> torch.Tensor:
    levels = torch.tensor([net.sigma_max])
    return sample_few_step(partial(net, condition=text([PROMPT])), levels, lambda: eps)


@torch.no_grad()
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_diffusers_alone_draws_the_exported_student_s_image(stable_diffusion, tmp_path, prediction):
    change_json(stable_diffusion / SCHEDULER, prediction_type=prediction)
    net, text = load(stable_diffusion), load_text_encoder(stable_diffusion)
    eps = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(6))
    x0 = one_step(net, text, eps)
    images = (net.codec.decode(x0) / 2 + 0.5).clamp(0, 1)
    assert ((images > 0) & (images < 1)).float().mean() > 0.9
    net.save(tmp_path / "student", "few_step", 1, text=text)

    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "student")
    pipeline.set_progress_bar_config(disable=True)
    call = partial(pipeline, PROMPT, num_inference_steps=1, guidance_scale=0, latents=eps)
    torch.testing.assert_close(call(output_type="latent").images, x0, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(call(output_type="pt").images, images, rtol=0, atol=1e-4)
    stored = json.loads((tmp_path / "student/scheduler/scheduler_config.json").read_text())
    assert (stored["_class_name"], stored["timestep_spacing"]) == (
        "EulerDiscreteScheduler",
        "trailing",
    )
    assert stored["prediction_type"] == prediction


def test_an_exported_student_can_be_loaded_again_and_exporting_says_nothing(
    stable_diffusion, tmp_path, caplog, recwarn
):
    net, text = load(stable_diffusion), load_text_encoder(stable_diffusion)
    recwarn.clear()
    with caplog.at_level(logging.WARNING):
        net.save(tmp_path / "student", "few_step", 1, text=text)
    assert not caplog.records
    assert not recwarn.list
    again = load(tmp_path / "student")
    eps = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(
            one_step(again, load_text_encoder(tmp_path / "student"), eps), one_step(net, text, eps)
        )
    assert list(tmp_path.glob("student*")) == [tmp_path / "student"]


def test_an_export_also_serves_transformers_before_version_5(stable_diffusion, tmp_path):
    """Which reads prefixed names, and vocab.json with merges.txt instead of tokenizer.json."""
    net, text = load(stable_diffusion), load_text_encoder(stable_diffusion)
    net.save(tmp_path / "student", "few_step", 1, text=text)
    stored = load_file(tmp_path / "student" / TEXT)
    expected = {f"text_model.{name}": t for name, t in text.model.state_dict().items()}
    assert stored.keys() == expected.keys()
    assert all(torch.equal(stored[name], expected[name]) for name in stored)
    (tmp_path / "old").mkdir()
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(tmp_path / "student/tokenizer" / name, tmp_path / "old")
    tokens = CLIPTokenizer.from_pretrained(tmp_path / "old")(PROMPT + " zebra!").input_ids
    assert tokens == text.tokenizer(PROMPT + " zebra!").input_ids


def test_adapters_are_merged_before_an_export(stable_diffusion, tmp_path):
    net, text = load(stable_diffusion), load_text_encoder(stable_diffusion)
    with torch.no_grad():
        net.add_adapters(2, "attention")
        for parameter in filter(lambda p: p.requires_grad, net.parameters()):
            parameter.add_(0.05 * torch.randn_like(parameter))
    with pytest.raises(ValueError, match="without_adapters"):
        net.save(tmp_path / "student", "few_step", 1, text=text)
    assert not list(tmp_path.glob("student*"))
    merged = net.without_adapters()
    merged.save(tmp_path / "student", "few_step", 1, text=text)
    x, sigma, condition = torch.randn(1, 4, 8, 8), torch.ones(1), text([PROMPT])
    with torch.no_grad():
        again = load(tmp_path / "student")(x, sigma, condition)
        torch.testing.assert_close(again, net(x, sigma, condition), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(again, load(stable_diffusion)(x, sigma, condition), atol=1e-3)
