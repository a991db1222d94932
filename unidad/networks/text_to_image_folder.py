"""Text-to-image models on disk: the layout of diffusers' ``StableDiffusionPipeline``."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from unidad.errors import UserError
from unidad.files import atomic_folder, read_json, write_json
from unidad.networks.codec import LatentCodec, Posterior
from unidad.networks.folder import State, load_model, load_scheduler, present_names
from unidad.networks.text import TextEncoder
from unidad.networks.text_to_image import TextToImageNetwork

LAYOUT = (
    "a text-to-image folder holds model_index.json, unet/, vae/, text_encoder/, tokenizer/ "
    "and scheduler/"
)
TEXT_WEIGHTS_NAME = "model.safetensors"
TEXT_PREFIX = "text_model."


def load_text_to_image(
    folder: str | Path,
    codec: LatentCodec,
    unet_weights: str | Path | None = None,
    bf16: bool = False,
) -> TextToImageNetwork:
    """Load U-Net and scheduler; weights become float32, dropout is off.

    Args:
        folder: of the pipeline.
        codec: see `load_codec`; the networks of a run share one.
        unet_weights: a bare U-Net state dict (.safetensors, .bin, .pt) to load instead of the
            folder's own, such as a distilled student's release.
        bf16: as for `TextToImageNetwork`.

    Raises:
        UserError: another kind of pipeline, a missing or unreadable file, or weights of another
            architecture: the message names the first key that does not fit.
    """
    folder = _checked(folder)
    weights = None if unet_weights is None else Path(unet_weights)
    unet = load_model(folder / "unet", UNet2DConditionModel.from_config, LAYOUT, weights)
    scheduler = load_scheduler(folder / "scheduler", LAYOUT)
    try:
        return TextToImageNetwork(unet, scheduler, codec, bf16).eval()
    except ValueError as error:
        raise UserError(f"{folder / 'unet'}: {error}") from None


def load_codec(folder: str | Path, posterior: Posterior = "mean") -> LatentCodec:
    """Load the autoencoder of a pipeline folder.

    Raises:
        UserError: as for `load_text_to_image`.
    """
    folder = _checked(folder) / "vae"
    vae = load_model(folder, AutoencoderKL.from_config, LAYOUT, rename=present_names)
    return LatentCodec(vae, posterior)


def load_text_encoder(folder: str | Path) -> TextEncoder:
    """Load tokenizer and text encoder of a pipeline folder.

    Raises:
        UserError: as for `load_text_to_image`.
    """
    folder = _checked(folder)
    model = load_model(
        folder / "text_encoder",
        lambda config: CLIPTextModel(CLIPTextConfig(**config)),
        LAYOUT,
        folder / "text_encoder" / TEXT_WEIGHTS_NAME,
        _rename_old_text_model,
    )
    return TextEncoder(load_tokenizer(folder / "tokenizer"), model)


def load_tokenizer(folder: Path, layout: str = LAYOUT) -> CLIPTokenizer:
    """Load a tokenizer from the folder that holds its files.

    Args:
        folder: of the tokenizer.
        layout: what a whole folder looks like, the end of the message if a file is missing.

    Raises:
        UserError: its files are missing or unreadable.
    """
    whole = (folder / "tokenizer.json").is_file()
    if not whole and not all((folder / name).is_file() for name in ("vocab.json", "merges.txt")):
        raise UserError(f"{folder}: no tokenizer.json, nor vocab.json with merges.txt; {layout}")
    try:
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the library lets every kind through
        message = " ".join(str(error).split())
        raise UserError(f"{folder}: not a readable CLIP tokenizer ({message})") from None


def save_tokenizer(tokenizer: CLIPTokenizer, folder: str | Path) -> None:
    """Write a tokenizer's files, those that transformers before version 5 reads included."""
    tokenizer.save_pretrained(folder)
    tokenizer.backend_tokenizer.model.save(str(folder))


def one_step_pipeline(network: TextToImageNetwork, text: TextEncoder) -> StableDiffusionPipeline:
    """An ordinary pipeline that draws what the one-step student draws.

    Called with ``num_inference_steps=1, guidance_scale=0`` it gives ``net(sigma_max * eps,
    sigma_max)``, decoded, for ``latents`` eps. An Euler step from sigma to 0 is the x0 prediction
    itself; trailing spacing puts a single step at the last timestep, and makes the pipeline start
    from ``sigma_max * eps``. Both settings travel in ``scheduler_config.json``.
    """
    return _pipeline(network, text, one_step_scheduler(network.scheduler))


def many_step_pipeline(network: TextToImageNetwork, text: TextEncoder) -> StableDiffusionPipeline:
    """An ordinary pipeline that draws what the sampler ``ddim`` draws.

    Deterministic DDIM is an Euler step in sigma; the levels are those of Karras et al. 2022 (rho 7)
    over the range of the timesteps. Between two timesteps the U-Net is told a fraction, where
    `TextToImageNetwork` takes the nearer one: images agree to a few levels of 255.
    """
    return _pipeline(network, text, many_step_scheduler(network.scheduler))


def one_step_scheduler(scheduler: DDPMScheduler) -> EulerDiscreteScheduler:
    """The scheduler of `one_step_pipeline`, with the given betas and prediction type."""
    return _euler(scheduler, timestep_spacing="trailing")


def many_step_scheduler(scheduler: DDPMScheduler) -> EulerDiscreteScheduler:
    """The scheduler of `many_step_pipeline`, with the given betas and prediction type."""
    return _euler(scheduler, timestep_spacing="linspace", use_karras_sigmas=True)


def save_one_step(network: TextToImageNetwork, text: TextEncoder, folder: str | Path) -> None:
    """Write `one_step_pipeline` as a folder that diffusers alone can load.

    Raises:
        UserError: ``folder`` is a file, or holds what the new folder does not.
        ValueError: the U-Net still carries adapters.
    """
    _save(one_step_pipeline(network, text), folder)


def save_many_step(network: TextToImageNetwork, text: TextEncoder, folder: str | Path) -> None:
    """Write `many_step_pipeline`, as `save_one_step` does."""
    _save(many_step_pipeline(network, text), folder)


def is_text_to_image(folder: str | Path) -> bool:
    """Whether a model folder is a text-to-image pipeline.

    Raises:
        UserError: there is no model folder.
    """
    remedy = "no exported model is here; train or export one"
    index = read_json(Path(folder) / "model_index.json", remedy)
    return index.get("_class_name") == StableDiffusionPipeline.__name__


def copy_text_to_image(folder: str | Path, out: Path, dtype: torch.dtype) -> None:
    """Copy a pipeline folder into ``out``, its weights as ``dtype``; they are loaded as float32.

    Raises:
        UserError: as for `load_text_to_image`.
    """
    network, text = load_text_to_image(folder, load_codec(folder)), load_text_encoder(folder)
    scheduler = EulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
    for model in (network.unet, network.codec.vae, text.model):
        model.to(dtype)
    pipeline = _pipeline(network, text, scheduler)
    pipeline.save_pretrained(out)
    _make_portable(out, text.tokenizer)
    config = out / "text_encoder" / "config.json"  # where transformers, unlike diffusers, looks
    write_json(config, read_json(config, LAYOUT) | {"dtype": "float32"})


def _pipeline(
    network: TextToImageNetwork, text: TextEncoder, scheduler: EulerDiscreteScheduler
) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        network.codec.vae,
        text.model,
        text.tokenizer,
        network.unet,
        scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _euler(scheduler: DDPMScheduler, **settings: str | bool) -> EulerDiscreteScheduler:
    shared = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas")
    return EulerDiscreteScheduler(
        **{name: scheduler.config[name] for name in (*shared, "prediction_type")},
        final_sigmas_type="zero",
        steps_offset=1,  # unused here; anything else draws a deprecation warning
        **settings,
    )


def _save(pipeline: StableDiffusionPipeline, folder: str | Path) -> None:
    if any(".lora_" in name for name in pipeline.unet.state_dict()):
        raise ValueError("the U-Net carries adapters; export the one that `merged_lora` returns")
    with atomic_folder(Path(folder)) as partial:
        pipeline.save_pretrained(partial)
        _make_portable(partial, pipeline.tokenizer)


def _make_portable(folder: Path, tokenizer: CLIPTokenizer) -> None:
    """Add what transformers before version 5 reads: prefixed names, the tokenizer's two files."""
    weights = folder / "text_encoder" / TEXT_WEIGHTS_NAME
    state = _rename_old_text_model(load_file(weights))
    state = {TEXT_PREFIX + name: tensor for name, tensor in state.items()}
    save_file(state, weights, metadata={"format": "pt"})
    tokenizer.backend_tokenizer.model.save(str(folder / "tokenizer"))


def _checked(folder: str | Path) -> Path:
    index = Path(folder) / "model_index.json"
    kind = read_json(index, LAYOUT).get("_class_name")
    if kind != StableDiffusionPipeline.__name__:
        raise UserError(
            f"{index}: '_class_name' is {kind!r}; only a StableDiffusionPipeline is supported"
        )
    return Path(folder)


def _rename_old_text_model(state: State) -> State:
    """Releases before transformers 5 prefix the names, and the oldest also store positions."""
    state = {name.removeprefix(TEXT_PREFIX): tensor for name, tensor in state.items()}
    state.pop("embeddings.position_ids", None)
    return state
