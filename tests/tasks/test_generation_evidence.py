from dataclasses import replace

import numpy as np
import pytest
import torch

from unidad.config.evaluation import IntraLpips
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.contract import Extractor
from unidad.features.features import extract
from unidad.metrics import registry
from unidad.metrics.attributes import attribute_coverage, attribute_spread
from unidad.metrics.frechet import frechet_distance
from unidad.metrics.kernel import kernel_distance
from unidad.metrics.memorisation import memorisation, near_copies
from unidad.metrics.monge import monge_distance
from unidad.metrics.prdc import prdc
from unidad.metrics.rows import nearest_of
from unidad.metrics.vendi import vendi_score
from unidad.tasks.generation_evidence import FEW, GenerationEvidence

METRICS = registry.measurable(GenerationEvidence)


class Colours(Extractor):
    """Pooled: mean colours; attributes: the same in [0, 1]; domain: red or not; rows: pixels."""

    name, fingerprint, domains = "colours", "1", ("red", "blue")

    def __init__(self):
        self.mapped = 0

    def features(self, images):
        pooled = images.mean((1, 2), dtype=np.float32)
        red = (pooled[:, 0] > pooled[:, 2]).astype(np.float32)
        domain = np.stack([red, 1 - red], 1)
        return {"pooled": pooled, "attributes": pooled / 255, "domain": domain}

    def perceptual(self, images, unit_range=False):
        self.mapped += len(images)
        rows = torch.from_numpy(images.reshape(len(images), -1) / 255.0).float()
        return rows if unit_range else 2 * rows - 1


def coloured(count: int, seed: int) -> ImageSet:
    draw = np.random.default_rng(seed)
    colours = draw.integers(0, 256, (count, 1, 1, 3))
    return ImageSet(np.broadcast_to(colours, (count, 4, 4, 3)).astype(np.uint8))


SAMPLES, TRAINING, REFERENCE = coloured(40, 0), coloured(3, 1), coloured(60, 2)
EXTRACTOR = Colours()
REFERENCE_FEATURES = extract(REFERENCE, EXTRACTOR)


@pytest.fixture
def measure(tmp_path):
    """All metrics of samples, through files as a row has them."""

    def run(
        samples=SAMPLES,
        training=TRAINING,
        extractor=EXTRACTOR,
        reference=REFERENCE_FEATURES,
        held_out=REFERENCE,
        found=None,
        domain="blue",
        **rules,
    ):
        files = {
            name: str(tmp_path / f"{name}.npz")
            for name in ("training", "known", "held_out", "pixels")
        }
        training.save(files["training"])
        extract(training, extractor, mirrored=True).save(files["known"])
        if reference is not None:
            reference.save(files["held_out"])
            held_out.save(files["pixels"])
        spec = {
            "training_images": files["training"],
            "training_features": files["known"],
            "reference_images": None if reference is None else files["pixels"],
            "reference_features": None if reference is None else files["held_out"],
            "domain": domain,
            "intra_lpips": IntraLpips(**rules).model_dump(),
        }
        found = extract(samples, extractor) if found is None else found
        extractor.mapped = 0
        run.evidence = GenerationEvidence(spec, extractor, samples, found, progress=False)
        return registry.measure(METRICS, run.evidence)

    return run


def grey(*levels: int) -> ImageSet:
    shaped = np.array(levels, np.uint8)[:, None, None, None]
    return ImageSet(np.broadcast_to(shaped, (len(levels), 4, 4, 3)).copy())


@pytest.fixture
def evidence(tmp_path):
    """Of samples and training images alone."""

    def made(samples, training):
        training.save(tmp_path / "training.npz")
        extract(training, EXTRACTOR, mirrored=True).save(tmp_path / "known.npz")
        spec = {
            "training_images": str(tmp_path / "training.npz"),
            "training_features": str(tmp_path / "known.npz"),
        }
        return GenerationEvidence(spec, EXTRACTOR, samples, extract(samples, EXTRACTOR))

    return made


def test_each_metric_is_given_its_own_features(measure):
    found, known = (EXTRACTOR.features(s.images) for s in (SAMPLES, TRAINING))
    held_out = REFERENCE_FEATURES.rows
    near, far = (nearest_of(f["pooled"], known["pooled"], "") for f in (found, held_out))
    metrics = measure()
    expected = prdc(found["pooled"], held_out["pooled"]) | {
        "frechet_distance": frechet_distance(found["pooled"], held_out["pooled"]),
        "kernel_distance": kernel_distance(found["pooled"], held_out["pooled"]),
        "monge_distance": monge_distance(found["pooled"], held_out["pooled"]),
        "vendi_score": vendi_score(found["pooled"]),
        "attribute_spread": attribute_spread(found["attributes"], held_out["attributes"]),
        "attribute_coverage": attribute_coverage(found["attributes"], held_out["attributes"]),
        "memorisation": memorisation(near.distances[:, 0], far.distances[:, 0]),
        "near_copies": near_copies(near.distances),
        "domain_share": float((found["pooled"][:, 2] >= found["pooled"][:, 0]).mean()),
    }
    others = {"intra_lpips", "best_frechet_distance", "grain", "frechet_distance_dinov2"}
    expected["frechet_distance_without_copies"] = (
        expected["frechet_distance"] if expected["memorisation"] <= 0.01 else None
    )
    assert set(metrics) == set(METRICS) == set(expected) | others
    assert metrics["best_frechet_distance"] is metrics["frechet_distance_dinov2"] is None
    assert metrics["grain"] is None, "images of one colour have none"
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)


def test_intra_lpips_by_hand_and_maps_once_an_image(measure):
    """Grey levels: 0 and 51 around 0, 255 alone: (48 * (2 * 51 / 255)^2 + 0) / 2."""
    levels = np.array([0, 51, 255], np.uint8)[:, None, None, None]
    samples = ImageSet(np.broadcast_to(levels, (3, 4, 4, 3)).copy())
    extractor = Colours()
    metrics = measure(samples, ImageSet(samples.images[[0, 2]]), extractor)
    assert metrics["intra_lpips"] == pytest.approx(48 * 0.4**2 / 2, rel=1e-5)
    assert extractor.mapped == 3 + 2


def test_rules_of_intra_lpips_reach_it(measure):
    """In [0, 1] the samples -0.2 and 1 become 0.4 and 1: both are nearest to 1."""
    levels = np.array([102, 255], np.uint8)[:, None, None, None]
    samples = ImageSet(np.broadcast_to(levels, (2, 4, 4, 3)).copy())
    training = ImageSet(np.stack([np.zeros((4, 4, 3)), np.full((4, 4, 3), 255)]).astype(np.uint8))
    assert measure(samples, training)["intra_lpips"] == 0
    released = measure(samples, training, unit_range=True)["intra_lpips"]
    assert released == pytest.approx(48 * 0.6**2 / 2, rel=1e-5)
    skipped = measure(samples, training, small_clusters="skip")
    assert skipped["intra_lpips"] is None


def test_without_a_reference_and_a_domain_what_needs_training_images_is_left(measure):
    metrics = measure(reference=None, domain=None)
    left = ["intra_lpips", "vendi_score", "near_copies"]
    assert [name for name in METRICS if metrics[name] is not None] == left


class Halves(Colours):
    """Pooled: mean grey level of the left half and of the right one."""

    def features(self, images):
        halves = images[:, :, :2], images[:, :, 2:]
        return {"pooled": np.stack([half.mean((1, 2, 3)) for half in halves], 1)}


def halves(*pairs: tuple[int, int]) -> ImageSet:
    images = np.zeros((len(pairs), 4, 4, 3), np.uint8)
    for image, (left, right) in zip(images, pairs, strict=True):
        image[:, :2], image[:, 2:] = left, right
    return ImageSet(images)


@pytest.mark.parametrize(("few", "share", "training"), [(100, 1.0, [1, 0]), (1, 0.0, [1, 1])])
def test_a_training_image_s_mirror_image_is_a_copy_of_it(
    measure, monkeypatch, few, share, training
):
    """Held-out images come no nearer than 50; of more images than `FEW` none is mirrored."""
    monkeypatch.setattr("unidad.tasks.generation_evidence.FEW", few)
    samples, known, extractor = halves((80, 1), (1, 200)), halves((200, 0), (0, 80)), Halves()
    held_out = halves((40, 50), (90, 90))
    rows = {"held_out": held_out, "reference": extract(held_out, extractor)}
    found = measure(samples, known, extractor, domain=None, **rows)
    assert found["near_copies"] == found["memorisation"] == share
    assert measure.evidence.nearest.training.tolist() == training
    assert measure.evidence.neighbours([1], 2)["training"] == [[training[1], 1 - training[1]]]


def test_training_features_without_mirror_images_are_refused(evidence, tmp_path):
    found = evidence(grey(10, 250), grey(0, 100))
    extract(grey(0, 100), EXTRACTOR).save(tmp_path / "known.npz")
    with pytest.raises(UserError, match=r"known.npz: nothing of the mirror images; .* --mirrored"):
        found.nearest_copies(2)


def test_samples_three_times_nearer_to_one_training_image_come_first(evidence):
    """Grey levels 10, 250, 91, 130 beside 0 and 100: 10 and 90, 150 and 250, 9 and 91, ..."""
    found = evidence(grey(10, 250, 91, 130), grey(0, 100)).nearest_copies(3)
    assert found["samples"] == [2, 0, 3]
    assert found["training"] == [1, 0, 1]
    assert found["ratios"] == pytest.approx([9 / 91, 10 / 90, 30 / 130])


def test_a_far_sample_may_be_likelier_a_copy_than_a_nearer_one(evidence):
    """48 is 48 from 0 and 52 from 100; 140 is 40 from 100, 20 from 160; 200 is 40 from 160."""
    found = evidence(grey(48, 140, 200), grey(0, 100, 160)).nearest_copies(3)
    assert found["samples"] == [2, 1, 0]
    assert found["ratios"] == pytest.approx([40 / 100, 20 / 40, 48 / 52])


def test_of_a_single_training_image_the_nearest_samples_come_first(evidence):
    found = evidence(grey(10, 250, 91), grey(100)).nearest_copies(2)
    assert found == {"samples": [2, 0], "training": [0, 0], "ratios": []}


def test_too_few_images_give_null(measure):
    metrics = measure(ImageSet(SAMPLES.images[:4]))
    assert [name for name in METRICS if metrics[name] is None] == [
        *("best_frechet_distance", "frechet_distance_dinov2"),
        *("precision", "recall", "density", "coverage", "grain"),
    ]


def test_grain_is_that_of_samples_over_that_of_held_out_images(measure):
    draw = np.random.default_rng(0)
    samples, held_out = (
        ImageSet((128 + draw.normal(0, level, (60, 16, 16, 3))).round().astype(np.uint8))
        for level in (12, 4)
    )
    training = ImageSet(samples.images[:3])
    assert measure(samples, training, held_out=held_out)["grain"] == pytest.approx(3, rel=0.1)


def test_no_clusters_around_a_whole_training_set(measure):
    assert measure(training=coloured(FEW + 1, 3))["intra_lpips"] is None


def test_an_extractor_without_attributes_leaves_theirs_null(measure):
    bare = [
        replace(f, rows={name: f[name] for name in ("pooled", "domain")})
        for f in (extract(SAMPLES, EXTRACTOR), REFERENCE_FEATURES)
    ]
    metrics = measure(found=bare[0], reference=bare[1])
    assert metrics["attribute_spread"] is metrics["attribute_coverage"] is None
    assert metrics["frechet_distance"] > 0


def test_nan_unknown_domains_and_features_of_other_images_are_refused(measure):
    broken = extract(SAMPLES, EXTRACTOR)
    broken["pooled"][7] = np.nan
    with pytest.raises(UserError, match=r"samples: NaN or infinite in 1 rows, .* image 7"):
        measure(found=broken)
    with pytest.raises(UserError, match=r"domain 'green' is unknown .* red, blue"):
        measure(domain="green")
    blind = Colours()
    blind.domains = ()
    assert measure(extractor=blind, domain="green")["domain_share"] is None
    with pytest.raises(UserError, match="samples: 40 images, but features of 60"):
        measure(found=REFERENCE_FEATURES)
