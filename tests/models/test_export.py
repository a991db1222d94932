import hashlib
import shutil

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file

from unidad.data.contact_sheet import contact_sheet
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.files import read_json, write_json
from unidad.models.export import export_run
from unidad.networks.folder import WEIGHTS_NAME
from unidad.sampling import load_image_model, sample
from unidad.training.run import train

UNET = f"unet/{WEIGHTS_NAME}"


@pytest.fixture
def run(make_spec, tmp_path):
    """A student trained to its end."""
    spec = make_spec("dmd2", {"student_updates": 2})
    spec = spec.model_copy(
        update={"diffusion": spec.diffusion.model_copy(update={"student_sigma_max": 20.0})}
    )
    train(spec, tmp_path / "run", progress=False)
    return tmp_path / "run"


def images_of(folder) -> np.ndarray:
    return sample(load_image_model(folder), 4, 9, progress=False)[0].images.astype(int)


def test_a_float32_export_draws_the_run_s_very_images(run, tmp_path):
    export_run(run, tmp_path / "export", "float32")
    assert np.array_equal(images_of(tmp_path / "export"), images_of(run / "model"))
    config = load_image_model(tmp_path / "export")
    assert (config.sampler, config.nfe) == ("few_step", 2)
    assert config.diffusion.student_sigma_max == 20


def test_a_bfloat16_export_is_half_the_size_and_close(run, tmp_path):
    export_run(run, tmp_path / "export", "bfloat16")
    whole, half = load_file(run / "model" / UNET), load_file(tmp_path / "export" / UNET)
    assert {name: tensor.bfloat16() for name, tensor in whole.items()}.keys() == half.keys()
    assert all(torch.equal(whole[name].bfloat16(), half[name]) for name in whole)
    sizes = [(f / UNET).stat().st_size for f in (run / "model", tmp_path / "export")]
    assert sizes[1] / sizes[0] == pytest.approx(0.5, abs=0.03)
    difference = np.abs(images_of(tmp_path / "export") - images_of(run / "model"))
    assert 0 < difference.mean() < 2


def test_export_says_nothing(run, tmp_path, capfd, recwarn):
    capfd.readouterr()
    recwarn.clear()
    export_run(run, tmp_path / "export", "bfloat16")
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_the_card_tells_what_it_is(run, tmp_path):
    export_run(run, tmp_path / "my-student", "bfloat16", "unidad export run")
    weights = tmp_path / "my-student" / UNET
    parameters = sum(t.numel() for t in load_file(weights).values())
    lines = (tmp_path / "my-student" / "README.md").read_text().splitlines()
    assert lines[0] == "# my-student"
    assert {
        "- method: dmd2",
        "- trained on: babies, shots 6",
        "- seed: 3",
        "- student updates: 2",
        "- training images seen: 4",
        f"- parameters: {parameters:,}, stored as bfloat16",
        "- network evaluations an image: 2",
        "- exported by: `unidad export run`",
        f"- sha256 of {WEIGHTS_NAME}: `{hashlib.sha256(weights.read_bytes()).hexdigest()}`",
    } <= set(lines)


def test_the_card_names_the_training_images_by_hash_and_shows_samples(run, make_spec, tmp_path):
    export_run(run, tmp_path / "my-student")
    card = (tmp_path / "my-student" / "README.md").read_text()
    images = ImageSet.load(make_spec("dmd2").data).images
    assert len(images) == 6
    for number, image in enumerate(images):
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        assert f"- sha256 of training image {number}'s pixels: `{digest}`\n" in card
    assert "- batch size: 2\n" in card
    assert str(tmp_path) not in card
    assert "![What it draws](samples.png)" in card
    drawn = sample(load_image_model(run / "model"), 16, 0, progress=False)[0].images
    with Image.open(tmp_path / "my-student" / "samples.png") as shown:
        expected = contact_sheet({"samples, seed 0": drawn})
        assert np.array_equal(np.asarray(shown), np.asarray(expected))


def test_the_card_tells_metrics_and_the_licence_of_the_base(run, tmp_path):
    """In an experiment's folder, where both are known."""
    root = tmp_path / "results" / "mine"
    shutil.copytree(run, root / "runs/a/seed3")
    origin = {"origin": "shipped:synthetic-faces-source"}
    write_json(root / "specs/models/source_teacher.json", origin)
    spec = {"student": "results/mine/models/source_teacher"}
    write_json(root / "specs/runs/a/seed3.json", spec)
    seconds = read_json(run / "training.json", "")["seconds"]
    content = {
        "run": {"seed": 3, "target": "babies"},
        "samples": 50,
        "extractor": "photo",
        "metrics": {"frechet_distance": 7.0},
        "cost": {"training_seconds": seconds},
    }
    write_json(root / "metrics/a/seed3/nfe2.json", content)
    export_run(root / "runs/a/seed3", tmp_path / "known")
    card = (tmp_path / "known" / "README.md").read_text()
    assert "| FD (photo features) ↓ | 7.00 |" in card
    assert "- licence: that of shipped:synthetic-faces-source (Apache-2.0); and that of the" in card
    assert str(tmp_path) not in card

    export_run(run, tmp_path / "alone")
    card = (tmp_path / "alone" / "README.md").read_text()
    assert "trained from (unknown)" in card
    assert "## Measured" not in card


def test_the_card_s_commands_draw(run, tmp_path, monkeypatch):
    export_run(run, tmp_path / "my-student", "float32")
    card = (tmp_path / "my-student" / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    expected = load_image_model(run / "model").draw(0, range(16))
    assert [image.tobytes() for image in names["images"]] == [i.tobytes() for i in expected]


@pytest.mark.parametrize(("method", "nfe", "scale"), [("dmd2", 1, 0), ("finetune", 5, 7.5)])
def test_a_text_to_image_export_is_half_the_size_and_its_card_draws(
    make_subject_spec, tmp_path, monkeypatch, method, nfe, scale
):
    train(make_subject_spec(method, {"student_updates": 1}, nfe=nfe), tmp_path / "run", False)
    export_run(tmp_path / "run", tmp_path / "my-student", "bfloat16", "unidad export run")
    for part in (UNET, f"vae/{WEIGHTS_NAME}", "text_encoder/model.safetensors"):
        whole, half = (load_file(tmp_path / f / part) for f in ("run/model", "my-student"))
        assert whole.keys() == half.keys()
        assert all(torch.equal(whole[name].bfloat16(), half[name]) for name in whole)
    card = (tmp_path / "my-student" / "README.md").read_text()
    digest = hashlib.sha256((tmp_path / "my-student" / UNET).read_bytes()).hexdigest()
    for fact in ("`unidad export run`", digest, f"evaluations an image: {nfe}"):
        assert fact in card

    code = card.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    names = {}
    torch.manual_seed(0)
    exec(code, names)
    torch.manual_seed(0)  # loading draws, too
    pipeline = StableDiffusionPipeline.from_pretrained("run/model")
    for rounded in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        rounded.bfloat16().float()
    expected = pipeline("a red cat", num_inference_steps=nfe, guidance_scale=scale)
    difference = np.abs(np.asarray(names["image"], int) - np.asarray(expected.images[0], int))
    assert difference.max() == 0


def test_what_was_exported_before_is_replaced(run, tmp_path):
    for dtype in ("float32", "bfloat16"):
        export_run(run, tmp_path / "export", dtype)
    assert {t.dtype for t in load_file(tmp_path / "export" / UNET).values()} == {torch.bfloat16}


def test_nothing_but_a_finished_run_is_exported(run, tmp_path):
    with pytest.raises(UserError, match=r"nowhere/training.json: no such file; no finished run"):
        export_run(tmp_path / "nowhere", tmp_path / "export", "float32")
    (run / "model" / UNET).unlink()
    with pytest.raises(UserError, match="weights are missing"):
        export_run(run, tmp_path / "export", "float32")
    assert not list(tmp_path.glob("export*"))


@pytest.mark.parametrize("layers", ["attention", "all"])
def test_diffusers_and_peft_load_the_adapters_into_the_pipeline_they_started_from(
    make_subject_spec, tmp_path, layers
):
    """The U-Net then predicts what the merged one does."""
    spec = make_subject_spec(
        "finetune",
        {"student_updates": 3, "learning_rate": 0.05},
        {"lora": {"rank": 2, "layers": layers}},
    )
    train(spec, tmp_path / "run", progress=False)
    base = StableDiffusionPipeline.from_pretrained(spec.student)
    inputs = (torch.randn(2, base.unet.config.in_channels, 8, 8), torch.tensor([500, 20]))
    context = torch.randn(2, 5, base.unet.config.cross_attention_dim)

    def predicted(pipeline):
        with torch.no_grad():
            return pipeline.unet(*inputs, context).sample

    before = predicted(base)
    export_run(tmp_path / "run", tmp_path / "export")
    base.load_lora_weights(tmp_path / "export" / "adapter")
    merged = predicted(StableDiffusionPipeline.from_pretrained(tmp_path / "run" / "model"))
    assert torch.dist(before, merged) > 0.01
    torch.testing.assert_close(predicted(base), merged, rtol=1e-4, atol=1e-4)
    by_peft = StableDiffusionPipeline.from_pretrained(spec.student)
    by_peft.unet = PeftModel.from_pretrained(by_peft.unet, tmp_path / "export/adapter/peft")
    torch.testing.assert_close(predicted(by_peft), merged, rtol=1e-4, atol=1e-4)
