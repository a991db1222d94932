"""Random networks of the published true architectures, where a copy of the project finds them."""

import shutil
from pathlib import Path

import torch
from random_networks import inception_weights, save_as_published, vgg_weights
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, PreTrainedModel, ViTConfig, ViTModel

from unidad.files import write_json
from unidad.networks.weights import write_weights

CLIP_PREPROCESSING = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": 224},
    "crop_size": {"height": 224, "width": 224},
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
DINO_PREPROCESSING = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 224, "width": 224},
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def random_inception(folder: Path) -> None:
    """In the folder that UNIDAD_WEIGHTS will name, weights/, and its name in the copy.

    A published file is known by the digest in its name, which no random weights have.
    """
    (folder / "weights").mkdir(exist_ok=True)
    name = save_as_published(inception_weights(), "inception", folder / "weights")
    module = folder / "unidad/features/inception.py"
    replace_once(module, "inception_pytorch.FID_WEIGHTS_URL", f'"https://server.example/{name}"')


def random_vgg(folder: Path) -> None:
    """VGG-16, likewise."""
    (folder / "weights").mkdir(exist_ok=True)
    name = save_as_published(vgg_weights(), "vgg16", folder / "weights")
    module = folder / "unidad/features/lpips_network.py"
    replace_once(module, "VGG16_Weights.IMAGENET1K_V1.url", f'"https://server.example/{name}"')


def random_clip(folder: Path, tokenizer: CLIPTokenizer) -> None:
    """CLIP ViT-B/32 but for the words that it knows; weights as bfloat16, to be written faster."""
    torch.manual_seed(0)
    text = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    vision = {"image_size": 224, "patch_size": 32}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision))
    _save(model, folder, CLIP_PREPROCESSING)
    tokenizer.save_pretrained(folder)


def random_dino(folder: Path) -> None:
    """DINO ViT-S/16."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 6}
    _save(ViTModel(ViTConfig(**sizes), add_pooling_layer=False), folder, DINO_PREPROCESSING)


def _save(model: PreTrainedModel, folder: Path, preprocessing: dict) -> None:
    model.config.save_pretrained(folder)
    state = {name: tensor.bfloat16() for name, tensor in model.state_dict().items()}
    write_weights(folder / "model.safetensors", state)
    write_json(folder / "preprocessor_config.json", preprocessing)


def replace_once(file: Path, old: str, new: str) -> None:
    """In a text file."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def copy_package(folder: Path, root: Path) -> None:
    """The project without its configurations."""
    for name in ("workflow", "profiles", "envs", "unidad"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "Snakefile", folder)
