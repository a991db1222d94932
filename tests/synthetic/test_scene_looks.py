"""Subjects look as their prompt says: colours, properties, clothes, grounds."""

import numpy as np
import pytest

from unidad.errors import UserError
from unidad.synthetic.scenes import SUBJECTS, render, subject_masks, subject_scenes


def pictures(subject, prompt, count=6, resolution=32):
    """Pictures as floats in [0, 255] and masks in [0, 1] of one prompt, in various poses."""
    scenes = subject_scenes(subject, [prompt] * count, 0, range(count))
    images = render(scenes, resolution).astype(float)
    return images, subject_masks(scenes, resolution).astype(float) / 255


def mean_colour(images, masks):
    return (images * masks[..., None]).sum((0, 1, 2)) / masks.sum()


@pytest.mark.parametrize(
    ("word", "weights"), [("red", (1, -0.5, -0.5)), ("purple", (0.5, -1, 0.5))]
)
def test_coloured_subjects_have_that_colour(word, weights):
    for subject in SUBJECTS:
        plain = mean_colour(*pictures(subject, "a {}"))
        coloured = mean_colour(*pictures(subject, f"a {word} {{}}"))
        assert (coloured - plain) @ np.array(weights) > 40, subject
        assert coloured @ np.array(weights) > 70, subject


def test_colour_stays_on_the_subject():
    plain, masks = pictures("cat", "a {} in the jungle")
    red, red_masks = pictures("cat", "a red {} in the jungle")
    np.testing.assert_array_equal(red_masks, masks)
    np.testing.assert_array_equal(red[masks == 0], plain[masks == 0])


def test_shiny_subjects_have_highlights_and_wet_ones_are_bluer_and_stand_in_a_puddle():
    for subject in ("boot", "cat2", "clock"):
        plain, masks = pictures(subject, "a {}")
        shiny, _ = pictures(subject, "a shiny {}")
        wet, _ = pictures(subject, "a wet {}")
        white = (shiny.min(-1) > 200).sum() - (plain.min(-1) > 200).sum()
        assert white / len(plain) > 15, subject
        blue = np.array([-0.5, -0.5, 1])
        assert (mean_colour(wet, masks) - mean_colour(plain, masks)) @ blue > 10, subject
        ground = masks[:, 25:] == 0
        assert ((wet - plain)[:, 25:][ground] @ blue).mean() > 15, subject


def test_cube_shaped_subjects_have_the_outline_of_a_box():
    for subject in SUBJECTS:
        _, plain = pictures(subject, "a {}")
        _, cubes = pictures(subject, "a cube shaped {}")
        plain, cubes = plain > 0.5, cubes > 0.5
        assert ((plain & cubes).sum() / (plain | cubes).sum()) < 0.8, subject
        for cube in cubes:
            rows, columns = np.flatnonzero(cube.any(1)), np.flatnonzero(cube.any(0))
            around = cube[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert around.mean() > 0.8, subject


@pytest.mark.parametrize(
    ("accessory", "colours"),
    [
        ("wearing a red hat", [(226, 24, 34)]),
        ("wearing a santa hat", [(222, 24, 36), (255, 255, 255)]),
        ("wearing a rainbow scarf", [(228, 40, 50), (250, 226, 60), (60, 180, 80), (50, 100, 220)]),
        ("wearing a black top hat and a monocle", [(22, 20, 26), (250, 204, 60)]),
        ("in a chef outfit", [(255, 255, 255)]),
        ("in a firefighter outfit", [(214, 28, 28), (244, 236, 60)]),
        ("in a police outfit", [(28, 48, 128), (250, 204, 60)]),
        ("wearing pink glasses", [(255, 60, 160)]),
        ("wearing a yellow shirt", [(255, 222, 20)]),
        ("in a purple wizard outfit", [(120, 40, 190), (255, 226, 70)]),
    ],
)
def test_accessories_add_their_colours_to_the_subject_only(accessory, colours):
    for subject in ("cat", "dog2"):
        plain, masks = pictures(subject, "a {} on top of a white rug")
        dressed, dressed_masks = pictures(subject, f"a {{}} {accessory} on top of a white rug")
        around = (masks == 0) & (dressed_masks == 0)
        assert np.abs(dressed - plain)[around].max() <= 1
        for colour in colours:

            def near(images, over, colour=colour):
                return ((np.abs(images - colour).max(-1) < 60) & (over > 0.9)).sum() / len(images)

            assert near(dressed, dressed_masks) - near(plain, masks) > 2.5, (subject, colour)


def test_objects_do_not_dress():
    with pytest.raises(UserError, match="dresses a teapot"):
        subject_scenes("teapot", ["a {} wearing a red hat"], 0, [0])


@pytest.mark.parametrize(
    ("brighter", "darker"),
    [
        ("in the snow", "in the jungle"),
        ("on the beach", "on top of a purple rug in a forest"),
        ("floating in an ocean of milk", "floating on top of water"),
        ("on top of a white rug", "on top of a wooden floor"),
    ],
)
def test_grounds_are_as_bright_as_their_names(brighter, darker):
    def ground(context):
        images, masks = pictures("vase", f"a {{}} {context}")
        return images[:, 24:][masks[:, 24:] == 0].mean()

    assert ground(brighter) > ground(darker) + 40


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_keeps_its_colours_from_context_to_context(subject):
    first, first_masks = pictures(subject, "a {} in the jungle")
    for context in ("in the snow", "on top of pink fabric", "in a tiled kitchen"):
        second, masks = pictures(subject, f"a {{}} {context}")
        np.testing.assert_array_equal(masks, first_masks)
        inside = masks == 1
        assert inside.mean() > 0.15
        assert np.abs(first - second)[inside].max() <= 1
    beside, masks = pictures(subject, "a {} with the Eiffel Tower in the background")
    assert np.abs(mean_colour(beside, masks) - mean_colour(first, first_masks)).max() < 12


def test_subjects_of_one_class_are_different_instances():
    for first, second in (("cat", "cat2"), ("dog", "dog2")):
        colours = [mean_colour(*pictures(name, "a {}")) for name in (first, second)]
        assert np.abs(colours[0] - colours[1]).max() > 25
    assert len(SUBJECTS) >= 8
    assert {subject.category for subject in SUBJECTS.values()} >= {"cat", "dog", "backpack"}
