import numpy as np
import pytest
import torch

from unidad.data.prompts import STANDARD, fill, read_prompts
from unidad.errors import UserError
from unidad.synthetic.scenes import (
    ACCESSORIES,
    CATEGORIES,
    CONTEXTS,
    EVERYDAY_CONTEXTS,
    LIVE,
    OBJECTS,
    PROPERTIES,
    RARE_TOKEN,
    SUBJECTS,
    Description,
    Scenes,
    instance_scenes,
    render,
    scene_of,
    source_scenes,
    subject_masks,
    subject_scenes,
    training_photos,
)
from unidad.synthetic.scenes.attributes import APPEARANCE, POSE, SURROUNDINGS

PROMPTS = {kind: read_prompts(path) for kind, path in STANDARD.items()}
ALL_PROMPTS = [
    (template, category)
    for kind, categories in (("objects", OBJECTS), ("live", LIVE))
    for template in PROMPTS[kind]
    for category in categories
]


@pytest.fixture(scope="module")
def source():
    scenes = source_scenes(0, range(96))
    return scenes, render(scenes)


def box_average(images, factor):
    count, size = len(images), images.shape[1] // factor
    return images.reshape(count, size, factor, size, factor, 3).astype(float).mean((2, 4))


@pytest.mark.parametrize("chosen", [[37], [5, 95, 37, 2, 0, 11, 40], [*range(60, 96)]])
def test_an_index_is_the_same_scene_in_every_batch(chosen, source):
    scenes, images = source
    alone = source_scenes(0, chosen)
    assert alone.captions() == [scenes.captions()[row] for row in chosen]
    np.testing.assert_array_equal(render(alone), images[chosen])
    np.testing.assert_array_equal(render(scenes[np.array(chosen)]), images[chosen])
    for name, values in alone.values.items():
        np.testing.assert_array_equal(values, scenes.values[name][chosen])


def test_every_drawing_is_the_same_alone_and_among_others():
    words = [Description(c, p) for c, p in zip(CATEGORIES * 2, CONTEXTS, strict=False)]
    words += [
        Description("cat", "", p, a) for p, a in zip(PROPERTIES * 2, ACCESSORIES, strict=True)
    ]
    scenes = Scenes(tuple(words) * 3, source_scenes(4, range(3 * len(words))).values)
    together = render(scenes, 16)
    for row in range(0, len(scenes), 2):
        np.testing.assert_array_equal(render(scenes[row : row + 1], 16)[0], together[row])


def test_number_of_threads_does_not_change_a_pixel(source):
    scenes, images = source
    threads = torch.get_num_threads()
    try:
        for number in (1, 3, 5):
            torch.set_num_threads(number)
            np.testing.assert_array_equal(render(scenes), images)
    finally:
        torch.set_num_threads(threads)


def test_seeds_and_subjects_are_independent_series(source):
    _, images = source
    assert (render(source_scenes(1, range(96))) != images).any((1, 2, 3)).all()
    rolls = [
        subject_scenes(subject, ["a {}"] * 20, seed, range(20)).values["roll"]
        for subject in SUBJECTS
        for seed in (0, 1, 2**31)
    ]
    assert len(np.unique(rolls)) == len(SUBJECTS) * 3 * 20


def test_source_scenes_cover_every_word_in_its_share():
    count = 4000
    scenes = source_scenes(3, range(count))
    categories, accessories = scenes.words("category"), scenes.words("accessory")
    assert set(categories) == set(CATEGORIES)
    assert set(scenes.words("context")) == {"", *CONTEXTS}
    assert set(scenes.words("property")) == {"", *PROPERTIES}
    assert set(accessories) == {"", *ACCESSORIES}
    live = np.isin(categories, LIVE)
    assert (accessories[~live] == "").all()
    for found, share in (
        (scenes.words("context") != "", 0.85),
        (scenes.words("property") != "", 0.3),
        (accessories[live] != "", 0.5),
        (live, 2 / 13),
        (scenes.words("context") == "in the jungle", 0.85 / 25),
    ):
        assert abs(found.mean() - share) <= 4 * (share * (1 - share) / len(found)) ** 0.5


def test_an_instance_looks_the_same_in_each_of_its_views_and_nowhere_else():
    scenes = instance_scenes(3, range(40), 5)
    looks = np.stack([scenes.values[name] for name in APPEARANCE], 1).reshape(40, 5, -1)
    assert (looks == looks[:, :1]).all()
    assert len(np.unique(looks[:, 0], axis=0)) == 40
    assert (scenes.words("category").reshape(40, 5) == scenes.words("category")[::5, None]).all()
    rolls = scenes.values["roll"]
    assert len(np.unique(rolls)) == 200
    for part in ("context", "property"):
        assert len(set(scenes.words(part))) > 5
    fewer = instance_scenes(3, [7, 2], 2)
    chosen = [35, 36, 10, 11]
    assert fewer.captions() == [scenes.captions()[row] for row in chosen]
    np.testing.assert_array_equal(fewer.values["roll"], rolls[chosen])
    np.testing.assert_array_equal(fewer.values["fur"], scenes.values["fur"][chosen])


def test_views_of_instances_are_drawn_like_source_scenes():
    scenes, source = instance_scenes(0, range(800), 4), source_scenes(0, range(3200))
    for part in ("category", "context", "property", "accessory"):
        (words, found), (known, expected) = (
            np.unique(some.words(part), return_counts=True) for some in (scenes, source)
        )
        assert words.tolist() == known.tolist()
        views = 4 if part == "category" else 1
        assert (np.abs(found - expected) < 5 * np.sqrt(expected * (1 + views))).all(), part
    for name in POSE + SURROUNDINGS:
        assert abs(scenes.values[name].mean() - 0.5) < 0.05, name


def test_source_captions_say_what_is_there_and_never_the_rare_token(source):
    captions = source_scenes(3, range(4000)).captions()
    assert not any(RARE_TOKEN in caption for caption in captions)
    scenes, _ = source
    assert tuple(scene_of(caption) for caption in scenes.captions()) == scenes.descriptions


def test_values_are_there_and_in_range(source):
    scenes, _ = source
    assert set(scenes.values) == {*APPEARANCE, *POSE, *SURROUNDINGS}
    for name, values in scenes.values.items():
        assert values.dtype == np.float32, name
        assert values.shape == (96,), name
        assert values.min() >= 0, name
        assert values.max() <= 1, name


@pytest.mark.parametrize("token", ["", RARE_TOKEN])
def test_prompts_and_scenes_are_translated_both_ways(token):
    for template, category in ALL_PROMPTS:
        prompt = fill(template, f"{token} {category}".strip())
        description = scene_of(prompt)
        assert description.category == category
        assert description.caption(token) == prompt
        said = [description.context, description.property, description.accessory]
        assert sum(word != "" for word in said) == 1, prompt


def test_prompts_ask_for_every_word_but_the_everyday_contexts():
    said = [scene_of(fill(template, category)) for template, category in ALL_PROMPTS]
    assert {d.context for d in said} == {"", *CONTEXTS} - {*EVERYDAY_CONTEXTS}
    assert {d.property for d in said} == {"", *PROPERTIES}
    assert {d.accessory for d in said} == {"", *ACCESSORIES}


def test_words_of_all_kinds_go_together():
    prompt = "a cube shaped prt dog wearing a black top hat and a monocle on top of a white rug"
    assert scene_of(prompt) == Description(
        "dog", "on top of a white rug", "cube shaped", "wearing a black top hat and a monocle"
    )


def test_every_prompt_of_a_subject_looks_different():
    for subject, kind in (("teapot", "objects"), ("cat", "live")):
        images = render(subject_scenes(subject, PROMPTS[kind], 0, [0] * 25)).astype(float)
        apart = np.abs(images[:, None] - images[None]).mean((2, 3, 4)) + 1000 * np.eye(25)
        assert apart.min() > 1.5


def test_contexts_can_be_told_apart_at_a_glance():
    """The nearest mean picture, of 8x8 pixels, names the context of unseen pictures."""

    def drawn(seed, each):
        words = np.repeat(("", *CONTEXTS), each)
        values = source_scenes(seed, range(len(words))).values
        categories = np.resize(CATEGORIES, len(words))
        rows = zip(categories.tolist(), words.tolist(), strict=True)
        images = render(Scenes(tuple(Description(*row) for row in rows), values))
        return box_average(images, 4).reshape(len(words), -1), words

    known, names = drawn(0, 26)
    unseen, truth = drawn(1, 6)
    means = np.stack([known[names == name].mean(0) for name in np.unique(names)])
    apart = np.square(unseen[:, None] - means[None]).sum(-1)
    assert (np.unique(names)[apart.argmin(1)] == truth).mean() > 0.85


def test_subjects_are_told_from_other_instances_of_their_class():
    for subject, kind in SUBJECTS.items():
        scenes = subject_scenes(subject, ["a {}"] * 30, 5, range(30))
        others = Scenes(scenes.descriptions, source_scenes(5, range(30)).values)
        posed = {name: scenes.values[name] for name in POSE + SURROUNDINGS}
        others = Scenes(others.descriptions, others.values | posed)
        own, strange = render(scenes).astype(float), render(others).astype(float)
        over = subject_masks(scenes) == 255
        apart = [np.abs(a - b)[mask].mean() for a, b, mask in zip(own, strange, over, strict=True)]
        assert np.min(apart) > 5, kind.category


def test_training_photos_show_the_subject_in_five_everyday_places():
    photos = training_photos("cat")
    assert [d.context for d in photos.descriptions] == list(EVERYDAY_CONTEXTS)
    assert len(photos) == 5
    assert photos.captions(RARE_TOKEN)[0] == "a prt cat on a grey sofa"
    truth = subject_scenes("cat", ["a {}"], 0, [0])
    for name in APPEARANCE:
        np.testing.assert_array_equal(photos.values[name], truth.values[name][[0] * 5])
    for name in POSE[:4]:
        assert len(np.unique(photos.values[name])) == 5
    np.testing.assert_array_equal(render(photos), render(training_photos("cat")))


def test_an_index_has_the_same_pose_in_every_prompt():
    first = subject_scenes("dog", ["a {}", "a prt dog in the snow"], 2, [7, 8])
    second = subject_scenes("dog", ["a red dog", "a wet prt dog"], 2, [8, 7])
    for name in POSE:
        np.testing.assert_array_equal(first.values[name], second.values[name][::-1])


@pytest.mark.parametrize("resolution", [16, 32, 64])
def test_the_same_scene_at_every_resolution(resolution, source):
    scenes = source[0][:24]
    fine = box_average(render(scenes, 128), 128 // resolution)
    coarse = render(scenes, resolution)
    assert coarse.shape == (24, resolution, resolution, 3)
    assert coarse.dtype == np.uint8
    assert np.abs(fine - coarse).mean() < 2.5
    assert np.abs(fine - np.roll(coarse, 1, axis=0)).mean() > 40


def test_no_scenes_give_no_pictures():
    nothing = source_scenes(0, [])
    assert len(nothing) == 0
    assert render(nothing).shape == (0, 32, 32, 3)
    assert subject_masks(nothing, 48).shape == (0, 48, 48)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: render(source_scenes(0, [0]), 24), "resolution 24 is not a multiple of 16"),
        (lambda: render(source_scenes(0, [0]), 0), "resolution 0 "),
        (lambda: render(source_scenes(0, [0]), 144), "resolution 144 "),
        (lambda: subject_masks(source_scenes(0, [0]), 32.5), "resolution 32.5 "),
        (lambda: source_scenes(-1, [0]), "seed -1"),
        (lambda: source_scenes(0, [-1]), "indices"),
        (lambda: source_scenes(0, [0.5]), "indices"),
        (lambda: source_scenes(0, [[0]]), "indices"),
        (lambda: instance_scenes(0, [0], 0), "0 views of an instance"),
        (lambda: instance_scenes(0, [0.5], 2), "indices"),
        (lambda: training_photos("yeti"), "subject 'yeti' is unknown; choose one of backpack"),
        (lambda: subject_scenes("yeti", ["a {}"], 0, [0]), "subject 'yeti' is unknown"),
        (
            lambda: subject_scenes("cat", ["a red dog"], 0, [0]),
            "'a red dog' is about a dog, but the subject cat",
        ),
        (lambda: subject_scenes("cat", ["a {}"], 0, [0, 1]), "1 prompts for 2 indices"),
        (lambda: scene_of("a cat on the moon"), "'a cat on the moon' cannot be drawn"),
        (lambda: scene_of("a red hat"), "'a red hat' cannot be drawn"),
    ],
)
def test_mistakes_are_told_in_one_line(call, message):
    with pytest.raises(UserError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
