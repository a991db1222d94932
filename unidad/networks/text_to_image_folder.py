"""Text-to-image models on disk: the layout of diffusers' ``StableDiffusionPipeline``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from unidad.errors import UserError, one_line
from unidad.files import read_json
from unidad.networks.codec import LatentCodec, Posterior
from unidad.networks.folder import INDEX, load_model, present_names, save_model
from unidad.networks.text import TextEncoder
from unidad.networks.weights import State, write_weights

if TYPE_CHECKING:
    from unidad.networks.text_to_image import TextToImageUNet

LAYOUT = (
    "a text-to-image folder holds model_index.json, unet/, vae/, text_encoder/, tokenizer/ "
    "and scheduler/"
)
TEXT_WEIGHTS_NAME = "model.safetensors"
TEXT_PREFIX = "text_model."


def load_codec(folder: str | Path, posterior: Posterior = "mean") -> LatentCodec:
    """Load the autoencoder of a pipeline folder.

    Raises:
        UserError: another kind of pipeline, a missing or unreadable file, or weights of another
            architecture: the message names the first key that does not fit.
    """
    folder = check_index(folder) / "vae"
    vae = load_model(folder, AutoencoderKL.from_config, LAYOUT, rename=present_names)
    return LatentCodec(vae, posterior)


def load_text_encoder(folder: str | Path) -> TextEncoder:
    """Load tokenizer and text encoder of a pipeline folder.

    Raises:
        UserError: as for `load_codec`.
    """
    folder = check_index(folder)
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
        raise UserError(f"{folder}: not a readable CLIP tokenizer ({one_line(error)})") from None


def save_tokenizer(tokenizer: CLIPTokenizer, folder: str | Path) -> None:
    """Write a tokenizer's files, those that transformers before version 5 reads included."""
    tokenizer.save_pretrained(folder)
    tokenizer.backend_tokenizer.model.save(str(folder))


def one_step_pipeline(network: TextToImageUNet, text: TextEncoder) -> StableDiffusionPipeline:
    """An ordinary pipeline that draws what the one-step student draws.

    Called with ``num_inference_steps=1, guidance_scale=0`` it gives ``net(sigma_max * eps,
    sigma_max)``, decoded, for ``latents`` eps. An Euler step from sigma to 0 is the x0 prediction
    itself; trailing spacing puts a single step at the last timestep, and makes the pipeline start
    from ``sigma_max * eps``. Both settings travel in ``scheduler_config.json``.
    """
    return assemble(network, text, _euler(network.scheduler, timestep_spacing="trailing"))


def many_step_pipeline(network: TextToImageUNet, text: TextEncoder) -> StableDiffusionPipeline:
    """An ordinary pipeline that draws what the sampler ``ddim`` draws.

    Deterministic DDIM is an Euler step in sigma; the levels are those of Karras et al. 2022 (rho 7)
    over the range of the timesteps. Between two timesteps the U-Net is told a fraction, where
    `TextToImageUNet` takes the nearer one: images agree to a few 255ths.
    """
    scheduler = _euler(network.scheduler, timestep_spacing="linspace", use_karras_sigmas=True)
    return assemble(network, text, scheduler)


def is_text_to_image(folder: str | Path) -> bool:
    """Whether a model folder is a text-to-image pipeline.

    Raises:
        UserError: there is no model folder.
    """
    remedy = "no exported model is here; train or export one"
    index = read_json(Path(folder) / INDEX, remedy)
    return index.get("_class_name") == StableDiffusionPipeline.__name__


def assemble(
    network: TextToImageUNet, text: TextEncoder, scheduler: EulerDiscreteScheduler
) -> StableDiffusionPipeline:
    """A pipeline that samples with the given scheduler."""
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
    """Euler steps to sigma 0, with the given betas and prediction type."""
    shared = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas")
    return EulerDiscreteScheduler(
        **{name: scheduler.config[name] for name in (*shared, "prediction_type")},
        final_sigmas_type="zero",
        steps_offset=1,  # unused here; anything else draws a deprecation warning
        **settings,
    )


def save_pipeline(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Write a folder that diffusers alone can load, and transformers before version 5 can.

    That one reads prefixed names, and the tokenizer's two files.

    Raises:
        UserError: a weight is not finite, or there is no room for a file.
    """
    save_model(pipeline.unet, folder / "unet")
    save_model(pipeline.vae, folder / "vae")
    pipeline.scheduler.save_pretrained(folder / "scheduler")
    save_tokenizer(pipeline.tokenizer, folder / "tokenizer")
    _save_text_model(pipeline.text_encoder, folder / "text_encoder")
    pipeline.save_config(folder)


def _save_text_model(model: CLIPTextModel, folder: Path) -> None:
    """As transformers does: the configuration tells class and type of the weights."""
    model.config.architectures = [type(model).__name__]
    model.config.dtype = str(model.dtype).removeprefix("torch.")
    model.config.save_pretrained(folder)
    state = _rename_old_text_model(model.state_dict())
    state = {TEXT_PREFIX + name: tensor for name, tensor in state.items()}
    write_weights(folder / TEXT_WEIGHTS_NAME, state)


def check_index(folder: str | Path) -> Path:
    """The folder, if it is one of a ``StableDiffusionPipeline``.

    Raises:
        UserError: it is not.
    """
    index = Path(folder) / INDEX
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
