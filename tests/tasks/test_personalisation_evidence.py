from itertools import combinations

import numpy as np
import pytest
from measuring import PLAIN, PROMPTS

from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.features.features import extract
from unidad.metrics import registry
from unidad.metrics.success import prompt_success
from unidad.synthetic.scenes import scene_of
from unidad.tasks.personalisation_evidence import PersonalisationEvidence, drawn_answers

METRICS = registry.measurable(PersonalisationEvidence)


@pytest.fixture
def measure(networks, sets, features, tmp_path):
    """All metrics of samples, through files as a row has them."""

    def run(samples="samples", reference=True, grammar=False, protocol="synthetic", **more):
        paths = {}
        for name, images in sets.items():
            images.save(tmp_path / f"{name}.npz")
            features[name].save(tmp_path / f"{name}_features.npz")
            paths[name] = str(tmp_path / f"{name}.npz")
        spec = {
            "images": paths[samples],
            "training_images": paths["photos"],
            "training_features": paths["photos"].replace(".npz", "_features.npz"),
            "reference_images": paths["reference"] if reference else None,
            **{"rare_token": "prt", "prompts": PROMPTS},
            **{"grammar": grammar, "protocol": protocol},
        } | more
        evidence = PersonalisationEvidence(
            spec, networks, sets[samples], features[samples], progress=False
        )
        return registry.measure(METRICS, evidence)

    return run


def success(words, captions) -> float:
    """Of what was seen in images, for their captions."""
    scenes = [scene_of(caption) for caption in captions]
    return prompt_success(words, {part: [getattr(s, part) for s in scenes] for part in words})


PARTS = ("category", "context", "property", "accessory")


def words_of(features) -> dict:
    return {part: features[f"word:{part}"] for part in PARTS}


def lpips(networks, first, second) -> float:
    rows = networks.perceptual(np.stack([first, second]))
    return (rows[0] - rows[1]).square().sum().item()


def test_every_metric_by_its_definition(measure, networks, sets, features):
    found = measure(grammar=True)
    assert list(found) == METRICS
    samples, photos = features["samples"], features["photos"]
    assert found["clip_i"] == pytest.approx((samples["clip"] @ photos["clip"].T).mean(), rel=1e-5)
    instance = (samples["instance"] @ photos["instance"].T).mean()
    assert found["instance_similarity"] == pytest.approx(instance, rel=1e-5)
    text = networks.texts(PLAIN)[[0, 0, 1, 1, 2, 2]]
    assert found["clip_t"] == pytest.approx((samples["clip"] * text).sum(1).mean(), rel=1e-5)
    images = sets["samples"].images
    pairs = {(i, j): lpips(networks, images[i], images[j]) for i, j in combinations(range(6), 2)}
    same = [(0, 1), (2, 3), (4, 5)]
    assert found["intra_lpips"] == pytest.approx(np.mean([pairs[pair] for pair in same]), rel=1e-4)
    across = [distance for pair, distance in pairs.items() if pair not in same]
    assert found["inter_lpips"] == pytest.approx(np.mean(across), rel=1e-4)
    captions = [prompt for prompt in PLAIN for _ in range(2)]
    assert found["prompt_success"] == success(words_of(samples), captions)
    assert found["category_success"] == success({"category": samples["word:category"]}, captions)
    assert None not in found.values()


def test_a_sample_nearer_to_a_photo_than_held_out_pictures_come_is_memorised(
    measure, networks, sets
):
    """One held-out picture is made of the third-nearest sample, one of the farthest."""

    def to_photos(image) -> float:
        photos = sets["photos"].images
        return min(lpips(networks, image, each) for each in (*photos, *photos[:, :, ::-1]))

    distances = np.array([to_photos(image) for image in sets["samples"].images])
    pictures = sets["samples"].images[distances.argsort()[[5, 2]]].copy()
    pictures[:, :4, :4] = 0
    sets["reference"] = ImageSet(pictures)
    farther, nearer = map(to_photos, pictures)
    expected = (distances < nearer).mean()
    assert 0 < expected < (distances < farther).mean()
    assert measure()["memorisation"] == pytest.approx(expected)


def test_mirrored_photos_are_copies(measure, networks, sets, features):
    images = sets["photos"].images[[0, 0, 1, 1, 2, 2], :, ::-1].copy()
    sets["samples"] = ImageSet(images, captions=sets["samples"].captions)
    features["samples"] = extract(sets["samples"], networks, PLAIN)
    found = measure()
    assert found["memorisation"] == found["near_copies"] == 1


def test_the_order_of_the_images_does_not_matter(measure, networks, sets, features):
    expected = measure(grammar=True)
    order = [3, 0, 5, 1, 4, 2]
    images = sets["samples"]
    sets["samples"] = ImageSet(
        images.images[order], captions=tuple(images.captions[place] for place in order)
    )
    features["samples"] = extract(sets["samples"], networks, PLAIN)
    assert measure(grammar=True) == pytest.approx(expected, rel=1e-5)


def test_the_photos_answer_every_prompt(measure, networks, sets, features):
    """The same three pictures for each prompt: a ninth of the pairs across is of one picture."""
    photos, images = features["photos"], sets["photos"].images
    found = measure("photos", grammar=True)
    cosines = photos["clip"] @ photos["clip"].T
    others = [cosines[0, 1], cosines[0, 2], cosines[1, 2]]
    assert found["clip_i"] == pytest.approx(np.mean(others), rel=1e-5)
    text = networks.texts(PLAIN)
    assert found["clip_t"] == pytest.approx((photos["clip"] @ text.T).mean(), rel=1e-5)
    pairs = [lpips(networks, images[i], images[j]) for i, j in combinations(range(3), 2)]
    assert found["intra_lpips"] == pytest.approx(np.mean(pairs), rel=1e-4)
    assert found["inter_lpips"] == pytest.approx(2 * sum(pairs) / 9, rel=1e-4)
    words = {part: np.tile(seen, 3) for part, seen in words_of(photos).items()}
    captions = [prompt for prompt in PLAIN for _ in range(3)]
    assert found["prompt_success"] == success(words, captions)
    assert found["memorisation"] == 1


def test_negative_cosines_count_as_nothing_where_the_protocol_says_so(measure, features):
    clip = -np.abs(features["samples"]["clip"])
    features["samples"]["clip"][:] = clip
    features["photos"]["clip"][:] = np.abs(features["photos"]["clip"])
    assert measure()["clip_i"] < 0
    assert measure(protocol="echodistill")["clip_i"] == 0


@pytest.mark.parametrize("row", ["samples", "photos"])
def test_prompts_with_the_rare_token_where_it_is_kept(measure, networks, sets, features, row):
    features[row] = extract(sets[row], networks, [*PLAIN, *PROMPTS])
    whole, plain = measure(row, clip_t_prompt="subject"), measure(row)
    text, clip = networks.texts(PROMPTS), features[row]["clip"]
    cosines = clip @ text.T
    expected = cosines.mean() if row == "photos" else cosines[range(6), [0, 0, 1, 1, 2, 2]].mean()
    assert whole["clip_t"] == pytest.approx(expected, rel=1e-5)
    assert abs(whole["clip_t"] - plain["clip_t"]) > 1e-4
    assert {name for name in whole if whole[name] != plain[name]} == {"clip_t"}


def test_fidelity_of_the_first_photos_and_images(measure, networks, features):
    """Two of the photos; the first image of each prompt."""
    found = measure(measured_photos=2, measured_images=1)
    samples, photos = features["samples"], features["photos"]
    for metric, name in (("clip_i", "clip"), ("instance_similarity", "instance")):
        cosines = samples[name][[0, 2, 4]] @ photos[name][:2].T
        assert found[metric] == pytest.approx(cosines.mean(), rel=1e-5)
    text = (samples["clip"][[0, 2, 4]] * networks.texts(PLAIN)).sum(1)
    assert found["clip_t"] == pytest.approx(text.mean(), rel=1e-5)
    whole = measure()
    changed = {name for name in found if found[name] != whole[name]}
    assert changed == {"clip_i", "instance_similarity", "clip_t"}
    of_photos = measure("photos", measured_photos=2, measured_images=1)
    assert of_photos["clip_i"] == pytest.approx(photos["clip"][0] @ photos["clip"][1], rel=1e-5)


def test_snapshots_are_measured_against_the_prompts_that_count(sets):
    of_images = PersonalisationEvidence.prompts
    spec = {"rare_token": "prt"}
    captions = list(sets["samples"].captions)
    plain = of_images(spec, sets["samples"])
    assert plain == [prompt for prompt in PLAIN for _ in range(2)]
    assert of_images(spec | {"clip_t_prompt": "subject"}, sets["samples"]) == plain + captions


def test_without_grammar_there_is_no_prompt_success(measure):
    found = measure()
    nulls = {name for name, value in found.items() if value is None}
    assert nulls == {name for name in METRICS if name.endswith("_success")}


def test_without_words_or_held_out_pictures_their_metrics_are_null(measure, features):
    for part in PARTS:
        del features["samples"].rows[f"word:{part}"]
    found = measure(grammar=True, reference=False)
    assert found["prompt_success"] is None
    assert found["memorisation"] is None
    assert found["clip_t"] is not None


def test_a_single_photo_resembles_no_other(measure, networks, sets, features):
    sets["photos"] = ImageSet(sets["photos"].images[:1])
    features["photos"] = extract(sets["photos"], networks, PLAIN)
    found = measure("photos")
    assert found["clip_i"] is None
    assert found["intra_lpips"] is None
    assert found["inter_lpips"] == 0


def test_a_prompt_outside_the_grammar_is_named(measure, networks, sets, features):
    prompt = "my cat on the moon"
    sets["samples"] = ImageSet(sets["samples"].images, captions=(prompt,) * 6)
    features["samples"] = extract(sets["samples"], networks, [prompt])
    with pytest.raises(UserError, match="'my cat on the moon' cannot be drawn"):
        measure(grammar=True)


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
