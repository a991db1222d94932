import numpy as np
import pytest

from unidad.errors import UserError
from unidad.synthetic.clip_fitness import SEED, clip_fitness, markdown, rivals
from unidad.synthetic.scenes import CATEGORIES, Description, render, source_scenes


def test_rivals_differ_in_one_part_and_dress_no_object():
    boot = Description("boot", "in the snow", "wet")
    assert [rival.caption() for rival in rivals(boot, "property")] == [
        f"a {word} boot in the snow" for word in ("red", "purple", "shiny", "cube shaped")
    ]
    assert len(rivals(boot, "category")) == len(CATEGORIES) - 1
    assert len(rivals(Description("boot"), "property")) == 5
    dressed = Description("cat", accessory="wearing a red hat")
    assert rivals(dressed, "category") == [Description("dog", accessory="wearing a red hat")]


def test_fitness_counts_what_a_plain_loop_counts(clip):
    rows = {row["wrong_in"]: row for row in clip_fitness(clip, 50)}
    scenes = source_scenes(SEED, range(50))
    images = clip.images(render(scenes))
    right, wrong, beaten, first = [], [], [], []
    for image, description in zip(images, scenes.descriptions, strict=True):
        if description.property:
            truth = image @ clip.texts([description.caption()])[0]
            others = [
                image @ clip.texts([rival.caption()])[0]
                for rival in rivals(description, "property")
            ]
            right.append(truth)
            wrong += others
            beaten += [truth > other for other in others]
            first.append(truth > max(others))
    found = rows["property"]
    assert found["images"] == len(right) > 5
    means = [np.mean(values) for values in (right, wrong, beaten, first)]
    measured = [found[key] for key in ("right", "wrong", "beaten", "first")]
    np.testing.assert_allclose(measured, means, atol=1e-6)
    assert list(rows) == ["category", "context", "property", "accessory", "any"]
    assert rows["any"]["images"] == 50


def test_table():
    row = {"wrong_in": "context", "images": 9, "right": 0.51, "wrong": 0.1, "beaten": 1, "first": 1}
    assert markdown([row])[2:] == ["| context | 9 | 0.510 | 0.100 | 1.000 | 1.000 |"]


def test_too_few_scenes(clip):
    with pytest.raises(UserError, match="49 scenes are too few; take 50 or more"):
        clip_fitness(clip, 49)
