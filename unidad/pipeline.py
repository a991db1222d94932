"""The exported student: a diffusers pipeline that carries its own noise levels.

``UnidadPipeline.from_pretrained(folder)`` (or ``DiffusionPipeline.from_pretrained(folder,
custom_pipeline=...)``) draws, for the same seed, the images that the evaluation drew: it is what
the evaluation samples with.
"""

# diffusers 0.36 reads the constructor's annotations, and knows neither strings nor `|` there.
from collections.abc import Sequence
from typing import Optional

import numpy as np
import torch
from diffusers import DDPMScheduler, DiffusionPipeline, ImagePipelineOutput, UNet2DModel
from PIL import Image

from unidad.config.diffusion import Diffusion
from unidad.networks.patches import PatchBasis, PatchCodec
from unidad.networks.unet import UNet
from unidad.sampling import ImageModel


class UnidadPipeline(DiffusionPipeline):
    """Draws images with a few-step student or a many-step model.

    Args:
        unet: the trained model.
        scheduler: betas and prediction type of its training.
        sampler: ``few_step``, ``ddim`` or ``heun``.
        nfe: network evaluations an image, unless the call says otherwise.
        diffusion: the noise process, the keys of `Diffusion`.
        codec: the patches' components that the network works on; none for pixels.
    """

    _optional_components = ["codec"]  # noqa: RUF012

    def __init__(
        self,
        unet: UNet2DModel,
        scheduler: DDPMScheduler,
        sampler: str = "ddim",
        nfe: int = 25,
        diffusion: Optional[dict] = None,  # noqa: UP045
        codec: Optional[PatchBasis] = None,  # noqa: UP045
    ):
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler, codec=codec)
        diffusion = Diffusion(**(diffusion or {})).model_dump()
        self.register_to_config(sampler=sampler, nfe=nfe, diffusion=diffusion)

    def __call__(
        self,
        batch_size: int = 1,
        seed: int = 0,
        indices: Sequence[int] | None = None,
        nfe: int | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple[list[Image.Image] | np.ndarray]:
        """Draw images; each depends on (seed, its index) alone.

        In a batch of another size floating point may round a value in thousands to the next level.

        Args:
            batch_size: how many, numbered from 0, where ``indices`` is not given.
            seed: of the noise.
            indices: numbers of the images to draw.
            nfe: network evaluations an image; the trained number by default.
            output_type: ``pil`` or ``np`` (uint8, (N, H, W, 3)).
            return_dict: wrap the result as diffusers does.

        Raises:
            UserError: an nfe that the sampler cannot spend.
        """
        codec = None if self.codec is None else PatchCodec(self.codec)
        network = UNet(self.unet, self.scheduler, self.unet.dtype == torch.bfloat16, codec)
        settings = self.config.sampler, self.config.nfe, Diffusion(**self.config.diffusion)
        model = ImageModel(network.to(self.device), *settings)
        images = model.draw(seed, range(batch_size) if indices is None else indices, nfe)
        result = [Image.fromarray(image) for image in images] if output_type == "pil" else images
        return ImagePipelineOutput(images=result) if return_dict else (result,)
