"""Synthetic scenes: a world of captioned pictures in which every prompt has a true answer.

A scene is a subject in a context, perhaps with a property and an accessory, in the words of the
DreamBooth prompts. `source_scenes` is what a source model learns from, `training_photos` are the
few photos of one subject, `subject_scenes` the truth to compare a personalised model with.
"""

from unidad.synthetic.scenes.attributes import (
    SUBJECTS,
    Scenes,
    Subject,
    instance_scenes,
    source_scenes,
    subject_scenes,
    training_photos,
)
from unidad.synthetic.scenes.grammar import (
    ACCESSORIES,
    CATEGORIES,
    CONTEXTS,
    EVERYDAY_CONTEXTS,
    LIVE,
    OBJECTS,
    PROPERTIES,
    RARE_TOKEN,
    Description,
    scene_of,
)
from unidad.synthetic.scenes.render import render, subject_masks

__all__ = [
    "ACCESSORIES",
    "CATEGORIES",
    "CONTEXTS",
    "EVERYDAY_CONTEXTS",
    "LIVE",
    "OBJECTS",
    "PROPERTIES",
    "RARE_TOKEN",
    "SUBJECTS",
    "Description",
    "Scenes",
    "Subject",
    "instance_scenes",
    "render",
    "scene_of",
    "source_scenes",
    "subject_masks",
    "subject_scenes",
    "training_photos",
]
