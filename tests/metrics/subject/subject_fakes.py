"""Words, prompts, colours and settings of the tiny evaluation networks."""

import numpy as np

WORDS = (("cat", "dog"), ("", "in the snow"), ("", "red"), ("", "wearing pink glasses"))
PROMPTS = ["a red prt cat", "a prt cat in the snow", "a prt cat wearing pink glasses"]
PLAIN = [prompt.replace("prt ", "") for prompt in PROMPTS]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}

# As the models' authors publish them.
DINO_PREPROCESSING = {
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "ViTFeatureExtractor",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 2,
    "size": 224,
}
DINOV2_PREPROCESSING = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "BitImageProcessor",
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 256},
}


def colours(count: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    noise = draw.integers(0, 60, (count, 16, 16, 3))
    return (draw.integers(0, 196, (count, 1, 1, 3)) + noise).astype(np.uint8)
