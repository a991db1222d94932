import numpy as np

from unidad.data.image_set import ImageSet
from unidad.tasks.shown import SHOWN, shown_samples


def images(count, captions=()):
    return ImageSet(np.zeros((count, 1, 1, 3), np.uint8), captions=tuple(captions))


def test_without_prompts_the_first_are_shown():
    assert shown_samples(images(5)) == [0, 1, 2, 3, 4]
    assert shown_samples(images(1000)) == list(range(SHOWN))


def test_the_first_images_of_every_prompt_are_shown():
    captions = [f"prompt {place // 10}" for place in range(50)]
    expected = [10 * prompt + number for prompt in range(5) for number in range(4)]
    assert shown_samples(images(50, captions)) == expected


def test_of_many_prompts_some_are_shown_evenly_apart():
    captions = [f"prompt {place // 2}" for place in range(94)]
    assert shown_samples(images(94, captions)) == [4 * prompt for prompt in range(SHOWN)]
