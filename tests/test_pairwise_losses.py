import math

import pytest
import torch

from unidad import pairwise_losses
from unidad.errors import UserError
from unidad.training.build import build_method


def test_relative_distance_by_hand():
    """Three images at 0, 90 and 180 degrees; the source sees the third at 90 degrees, too."""
    adapted = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]]).reshape(3, 2, 1, 1)
    source = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 1.0]]).reshape(3, 2, 1, 1)

    def softmax(first, second):
        total = math.exp(first) + math.exp(second)
        return math.exp(first) / total, math.exp(second) / total

    own = [softmax(0, -1), softmax(0, 0), softmax(-1, 0)]
    kept = [softmax(0, 0), softmax(0, 1), softmax(0, 1)]
    expected = sum(
        p * math.log(p / q)
        for ps, qs in zip(own, kept, strict=True)
        for p, q in zip(ps, qs, strict=True)
    )
    found = pairwise_losses.relative_distance(adapted, source)
    assert found.item() == pytest.approx(expected / 3, rel=1e-5)
    assert pairwise_losses.relative_distance(source, source).item() == pytest.approx(0, abs=1e-7)


def test_relative_distance_has_its_gradient_in_the_adapted_images_alone():
    torch.manual_seed(0)
    adapted, source = (torch.randn(4, 1, 2, 2, dtype=torch.float64) for _ in range(2))
    adapted.requires_grad_(True), source.requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda x: pairwise_losses.relative_distance(x, source.detach()), adapted
    )
    pairwise_losses.relative_distance(adapted, source).backward()
    assert source.grad is None


def test_high_frequencies_by_hand():
    """LH, HL and HH of [[4, 1], [2, 8]]: halves of -5, -3 and 9; a plain image has none."""
    image = torch.tensor([[4.0, 1.0], [2.0, 8.0]]).reshape(1, 1, 2, 2)
    assert pairwise_losses.high_frequencies(image).item() == pytest.approx((-5 - 3 + 9) / 2)
    plain = torch.full((2, 3, 8, 8), 0.7)
    high = pairwise_losses.high_frequencies(plain)
    assert high.shape == (2, 3, 4, 4)
    assert high.abs().max() < 1e-6
    assert pairwise_losses.detail(image, torch.zeros_like(image)).item() == pytest.approx(0.25)


def test_finetune_adds_the_three_losses_with_their_weights(make_spec):
    weights = {"image_weight": 0.2, "high_frequency_weight": 0.3, "detail_weight": 0.4}
    spec = make_spec("finetune", pairwise=weights)
    method = build_method(spec)
    batch = method.batch(torch.rand(3, *method.student.shape) * 2 - 1)
    (output,) = method.step(batch, 0, torch.Generator().manual_seed(4))
    assert output.losses["pairwise_image"].item() == pytest.approx(0, abs=1e-6), "equal weights"
    assert output.weights == {
        "pairwise_image": 0.2,
        "pairwise_high_frequency": 0.3,
        "pairwise_detail": 0.4,
    }
    x, sigma = method.noised(batch.x0, torch.Generator().manual_seed(4))
    images = [method.student.codec.decode(part) for part in (method.student(x, sigma), batch.x0)]
    expected = pairwise_losses.detail(*images).item()
    assert output.losses["pairwise_detail"].item() == pytest.approx(expected, rel=1e-4)


def test_without_it_a_specification_says_nothing_of_it(make_spec):
    spec = make_spec("finetune")
    assert "pairwise" not in spec.model_dump()["variant"]
    (output,) = build_method(spec).step(
        build_method(spec).batch(torch.zeros(2, 12, 8, 8)), 0, torch.Generator()
    )
    assert set(output.losses) == {"denoising"}


def test_pairs_are_needed_and_prompts_refused(make_spec, make_subject_spec):
    with pytest.raises(UserError, match="pairwise: compares the images of a batch"):
        make_spec("finetune", {"batch_size": 1}, pairwise={})
    spec = make_subject_spec("finetune", pairwise={"image_weight": 1})
    with pytest.raises(UserError, match="of few-shot generation alone; leave"):
        build_method(spec)
