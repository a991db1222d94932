"""Training on captioned images: each is read with its own caption."""

import pytest
import torch
from diffusers import StableDiffusionPipeline

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.networks.conditions import Captions
from unidad.networks.text_to_image_folder import load_text_encoder
from unidad.training.build import build_method
from unidad.training.loop import Trainer
from unidad.training.run import train

CAPTIONS = ("a cat", "a dog", "a photo of a cat", "a dog", "a cat", "a photo")


@pytest.fixture
def make_captioned_spec(make_subject_spec, image_set):
    """Run specifications over the six images, captioned."""

    def make(method, training=None, settings=None, **variant):
        settings = {"prompts": None} | (settings or {})
        spec = make_subject_spec(method, training, settings, **variant)
        ImageSet(image_set.images, captions=CAPTIONS).save(spec.data)
        return spec

    return make


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn_batches(spec, folder, count):
    """Batches as the trainer draws them, with the images that they hold."""
    images = ImageSet.load(spec.data)
    method = build_method(spec, images.captions)
    trainer = Trainer(spec, method, images, folder, progress=False)
    for seed in range(count):
        batch = trainer._real_batch(generator(seed))
        distances = (batch.x0[:, None] - trainer.real.x0).abs().flatten(2).amax(2)
        yield batch, distances.argmin(1).tolist()


@pytest.mark.parametrize("method", ["finetune", "dmd2"])
def test_each_image_comes_with_its_own_caption(make_captioned_spec, tmp_path, method):
    spec = make_captioned_spec(method, {"horizontal_flip": False, "batch_size": 4})
    text = load_text_encoder(spec.student)
    seen = set()
    for batch, shown in drawn_batches(spec, tmp_path / "run", 5):
        expected = text([CAPTIONS[i] for i in shown])
        torch.testing.assert_close(batch.condition, expected)
        torch.testing.assert_close(batch.source_condition, expected)
        seen |= set(shown)
    assert len(seen) > 4


def test_equal_captions_are_embedded_once(make_captioned_spec):
    spec = make_captioned_spec("finetune")
    conditions = build_method(spec, CAPTIONS).conditions
    assert conditions.distinct.shape == (4, 77, 32)
    torch.testing.assert_close(
        conditions.first(8), load_text_encoder(spec.student)([*CAPTIONS, *CAPTIONS[:2]])
    )


def test_a_share_of_captions_is_dropped():
    """2000 draws of share 0.1: 200 ± 4 standard deviations of 13.4; the others stay."""
    null = torch.full((1, 2, 3), 7.0)
    captions = Captions(torch.zeros(1, 2, 3), torch.zeros(5, dtype=torch.int64), null)
    condition = torch.randn(2000, 2, 3, generator=generator())
    kept = captions.dropped(condition, 0.1, generator(1))
    empty = (kept == 7).flatten(1).all(1)
    assert 146 < empty.sum() < 254
    assert torch.equal(kept[~empty], condition[~empty])


@pytest.mark.parametrize(("share", "heard"), [(1.0, False), (0.0, True)])
def test_the_denoising_loss_hears_of_dropped_captions_nothing(make_captioned_spec, share, heard):
    spec = make_captioned_spec("finetune", settings={"caption_dropout": share})
    method = build_method(spec, CAPTIONS)
    x0 = torch.randn(2, 4, 8, 8, generator=generator(3))

    def loss(*images):
        (output,) = method.step(method.batch(x0, None, torch.tensor(images)), 0, generator(4))
        return output.total.item()

    assert (loss(0, 1) != loss(2, 3)) == heard


def test_distillation_reads_every_caption(make_captioned_spec):
    """The student's images, both losses and the discriminator: nothing is dropped."""
    spec = make_captioned_spec("dmd2", settings={"caption_dropout": 1.0, "guidance_scale": 1})
    method = build_method(spec, CAPTIONS)
    batch = method.batch(torch.randn(2, 4, 8, 8), None, torch.tensor([1, 2]))
    read = []
    for network in (method.student, method.fake_score, method.teacher):
        network.register_forward_hook(
            lambda m, args, kw, out: read.append((args, kw)), with_kwargs=True
        )
    list(method.step(batch, 1, generator()))
    conditions = [kw.get("condition", args[2] if len(args) > 2 else None) for args, kw in read]
    assert len(conditions) == 4  # student, teacher, fake score twice
    assert all(torch.equal(condition, batch.condition) for condition in conditions)


@torch.no_grad()
def test_a_many_step_model_is_exported_as_one(make_captioned_spec, tmp_path):
    spec = make_captioned_spec("finetune", {"student_updates": 1}, nfe=5)
    with torch.enable_grad():
        train(spec, tmp_path / "run", progress=False)
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "run" / "model")
    pipeline.scheduler.set_timesteps(5)
    assert pipeline.scheduler.init_noise_sigma.item() == pytest.approx(14.6146, abs=1e-3)
    sigmas = pipeline.scheduler.sigmas
    ramp = torch.linspace(sigmas[0] ** (1 / 7), sigmas[4] ** (1 / 7), 5) ** 7
    torch.testing.assert_close(sigmas[:5], ramp, rtol=1e-3, atol=0)
    assert (sigmas[4].item(), sigmas[5].item()) == (pytest.approx(0.0292, abs=1e-4), 0)


def test_images_without_captions_are_one_clear_line(make_subject_spec, tmp_path):
    spec = make_subject_spec("finetune", settings={"prompts": None})
    with pytest.raises(UserError, match=r"subject\.npz: images without captions") as error:
        train(spec, tmp_path / "run", progress=False)
    assert len(str(error.value).splitlines()) == 1
