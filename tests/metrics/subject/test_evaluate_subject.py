from itertools import combinations

import numpy as np
import pytest
from subject_fakes import PLAIN, PROMPTS

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.metrics.subject.evaluate import (
    METRICS,
    drawn_answers,
    evaluate_subject,
    photo_answers,
)
from unidad.metrics.subject.success import prompt_success


@pytest.fixture
def measure(networks, sets, features):
    def evaluate(samples="samples", answers=None, **options):
        images = sets[samples]
        return evaluate_subject(
            images,
            features[samples],
            sets["photos"],
            features["photos"],
            networks.encoder,
            answers or drawn_answers(images, "prt"),
            sets["reference"],
            progress=False,
            **options,
        )

    return evaluate


def lpips(networks, first, second) -> float:
    rows = networks.encoder.perceptual(np.stack([first, second]))
    return (rows[0] - rows[1]).square().sum().item()


def test_every_metric_by_its_definition(measure, networks, sets, features):
    found = measure(grammar=True)
    assert tuple(found) == METRICS
    samples, photos = features["samples"], features["photos"]
    assert found["clip_i"] == pytest.approx((samples.clip @ photos.clip.T).mean(), rel=1e-5)
    instance = (samples.instance @ photos.instance.T).mean()
    assert found["instance_similarity"] == pytest.approx(instance, rel=1e-5)
    text = networks.clip.texts(PLAIN)[[0, 0, 1, 1, 2, 2]]
    assert found["clip_t"] == pytest.approx((samples.clip * text).sum(1).mean(), rel=1e-5)
    images = sets["samples"].images
    pairs = {(i, j): lpips(networks, images[i], images[j]) for i, j in combinations(range(6), 2)}
    same = [(0, 1), (2, 3), (4, 5)]
    assert found["intra_lpips"] == pytest.approx(np.mean([pairs[pair] for pair in same]), rel=1e-4)
    across = [distance for pair, distance in pairs.items() if pair not in same]
    assert found["inter_lpips"] == pytest.approx(np.mean(across), rel=1e-4)
    captions = [prompt for prompt in PLAIN for _ in range(2)]
    success = prompt_success(samples.words, captions)
    assert {name: found[name] for name in success} == success


def test_a_sample_nearer_to_a_photo_than_held_out_pictures_come_is_memorised(
    measure, networks, sets
):
    """One held-out picture is made of the third-nearest sample, one of the farthest."""

    def to_photos(image) -> float:
        return min(lpips(networks, image, photo) for photo in sets["photos"].images)

    distances = np.array([to_photos(image) for image in sets["samples"].images])
    pictures = sets["samples"].images[distances.argsort()[[5, 2]]].copy()
    pictures[:, :4, :4] = 0
    sets["reference"] = ImageSet(pictures)
    farther, nearer = map(to_photos, pictures)
    expected = (distances < nearer).mean()
    assert 0 < expected < (distances < farther).mean()
    assert measure()["memorisation"] == pytest.approx(expected)


def test_the_order_of_the_images_does_not_matter(measure, networks, sets, features):
    expected = measure(grammar=True)
    order = [3, 0, 5, 1, 4, 2]
    images = sets["samples"]
    sets["samples"] = ImageSet(
        images.images[order], captions=tuple(images.captions[place] for place in order)
    )
    features["samples"] = networks.features(sets["samples"], PLAIN)
    assert measure(grammar=True) == pytest.approx(expected, rel=1e-5)


def test_the_photos_answer_every_prompt(measure, networks, sets, features):
    """The same three pictures for each prompt: a ninth of the pairs across is of one picture."""
    photos, images = features["photos"], sets["photos"].images
    found = measure("photos", photo_answers(3, PROMPTS, "prt"), grammar=True, are_photos=True)
    cosines = photos.clip @ photos.clip.T
    others = [cosines[0, 1], cosines[0, 2], cosines[1, 2]]
    assert found["clip_i"] == pytest.approx(np.mean(others), rel=1e-5)
    text = networks.clip.texts(PLAIN)
    assert found["clip_t"] == pytest.approx((photos.clip @ text.T).mean(), rel=1e-5)
    pairs = [lpips(networks, images[i], images[j]) for i, j in combinations(range(3), 2)]
    assert found["intra_lpips"] == pytest.approx(np.mean(pairs), rel=1e-4)
    assert found["inter_lpips"] == pytest.approx(2 * sum(pairs) / 9, rel=1e-4)
    words = {part: seen * 3 for part, seen in photos.words.items()}
    captions = [prompt for prompt in PLAIN for _ in range(3)]
    assert found["prompt_success"] == prompt_success(words, captions)["prompt_success"]
    assert found["memorisation"] == 1


def test_negative_cosines_count_as_nothing_where_the_protocol_says_so(measure, features):
    clip = -np.abs(features["samples"].clip)
    features["samples"].clip[:] = clip
    features["photos"].clip[:] = np.abs(features["photos"].clip)
    assert measure()["clip_i"] < 0
    assert measure(clamp=True)["clip_i"] == 0


def test_without_grammar_there_is_no_prompt_success(measure):
    found = measure()
    nulls = {name for name, value in found.items() if value is None}
    assert nulls == {name for name in METRICS if name.endswith("_success")}


def test_without_words_or_held_out_pictures_their_metrics_are_null(networks, sets, features):
    features["samples"].words.clear()
    found = evaluate_subject(
        sets["samples"],
        features["samples"],
        sets["photos"],
        features["photos"],
        networks.encoder,
        drawn_answers(sets["samples"], "prt"),
        grammar=True,
        progress=False,
    )
    assert found["prompt_success"] is None
    assert found["memorisation"] is None
    assert found["clip_t"] is not None


def test_a_single_photo_resembles_no_other(networks, sets, features):
    one = ImageSet(sets["photos"].images[:1])
    photo = networks.features(one, PLAIN)
    answers = photo_answers(1, PROMPTS, "prt")
    found = evaluate_subject(
        one, photo, one, photo, networks.encoder, answers, are_photos=True, progress=False
    )
    assert found["clip_i"] is None
    assert found["intra_lpips"] is None
    assert found["inter_lpips"] == 0


def test_images_without_captions_are_refused(sets):
    with pytest.raises(UserError, match="samples: without captions"):
        drawn_answers(sets["reference"], "prt")


def test_features_of_other_images_are_refused(measure, features):
    features["samples"] = features["photos"]
    with pytest.raises(UserError, match="6 images, but features of 3; compute them again"):
        measure()


def test_images_of_another_resolution_are_refused(measure, sets):
    sets["reference"] = ImageSet(np.zeros((2, 24, 24, 3), np.uint8))
    with pytest.raises(UserError, match="differ in resolution"):
        measure()
