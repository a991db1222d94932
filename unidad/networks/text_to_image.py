"""The text-conditioned latent backbone: the U-Net of Stable Diffusion 1 and 2."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from unidad.config.diffusion import Diffusion
from unidad.config.mistakes import validate
from unidad.config.model_files import UNetFile
from unidad.networks.codec import LatentCodec
from unidad.networks.folder import load_model
from unidad.networks.text import TextEncoder
from unidad.networks.text_to_image_folder import (
    LAYOUT,
    check_index,
    many_step_pipeline,
    one_step_pipeline,
    save_pipeline,
)
from unidad.networks.unet import UNet, load_scheduler

HOW_TO_DRAW = """```python
from diffusers import StableDiffusionPipeline

pipeline = StableDiffusionPipeline.from_pretrained("NAME")
image = pipeline("a red cat", num_inference_steps={nfe}, guidance_scale={guidance_scale}).images[0]
```

The noise levels are stored in `scheduler/`.
"""
OTHER_CONDITIONS = (
    "class_embed_type",
    "num_class_embeds",
    "addition_embed_type",
    "encoder_hid_dim_type",
    "time_cond_proj_dim",
    "time_embedding_act_fn",
)
"""Settings of ``UNet2DConditionModel`` that ask for an input beside text embeddings."""


class TextToImageUNet(UNet):
    """``net(x, sigma, condition) -> x0`` over a diffusers ``UNet2DConditionModel``.

    ``condition`` holds text embeddings, float32 (N, L, D), with D the U-Net's
    ``cross_attention_dim``. All else is as in `UNet`.

    Args:
        unet: the trained model, conditioned on text embeddings alone.
        scheduler: holds betas and prediction type.
        codec: of the latents that the U-Net works on.
        bf16: run the U-Net under bfloat16 autocast; inputs and results stay float32.

    Raises:
        ValueError: the U-Net needs further conditions, or has other channels than the latents.
    """

    HOW_TO_DRAW = HOW_TO_DRAW
    READS_TEXT = True

    def __init__(
        self,
        unet: UNet2DConditionModel,
        scheduler: DDPMScheduler,
        codec: LatentCodec,
        bf16: bool = False,
    ):
        for name in OTHER_CONDITIONS:
            if unet.config.get(name) is not None:
                raise ValueError(
                    f"'{name}' is {unet.config[name]!r}: this U-Net wants more than text "
                    "embeddings; only the layout of Stable Diffusion 1 and 2 is supported"
                )
        if unet.config.in_channels != codec.channels:
            raise ValueError(
                f"the U-Net takes {unet.config.in_channels} channels, the autoencoder's latents "
                f"have {codec.channels}"
            )
        if unet.mid_block is None:
            raise ValueError("the U-Net has no middle block, whose features are asked for")
        super().__init__(unet, scheduler, bf16, codec)

    @classmethod
    def load(
        cls, folder: Path, bf16: bool, codec: LatentCodec | None, weights: Path | None
    ) -> Self:
        """Load ``unet/`` and ``scheduler/`` of a ``StableDiffusionPipeline``'s folder."""
        check_index(folder)
        unet = load_model(folder / cls.FOLDER, _build_unet, LAYOUT, weights)
        return cls(unet, load_scheduler(folder / "scheduler", LAYOUT), codec, bf16)

    def write(
        self, folder: Path, sampler: str, nfe: int, diffusion: Diffusion, text: TextEncoder | None
    ) -> None:
        """As an ordinary ``StableDiffusionPipeline`` of one step or of many."""
        pipeline = one_step_pipeline if sampler == "few_step" else many_step_pipeline
        save_pipeline(pipeline(self, text), folder)

    def _context(self, module: nn.Module, condition: Tensor | None) -> dict[str, Tensor]:
        if module is not self.unet and not getattr(module, "has_cross_attention", False):
            return {}
        if condition is None:
            raise ValueError("a text-conditioned network needs text embeddings as its condition")
        return {"encoder_hidden_states": condition}


def _build_unet(config: dict) -> UNet2DConditionModel:
    validate(UNetFile, config, "")
    return UNet2DConditionModel.from_config(config)
