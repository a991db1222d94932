"""The text-conditioned latent backbone: the U-Net of Stable Diffusion 1 and 2."""

from __future__ import annotations

from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from unidad.networks.codec import LatentCodec
from unidad.networks.diffusion_network import DiffusionNetwork

OTHER_CONDITIONS = (
    "class_embed_type",
    "num_class_embeds",
    "addition_embed_type",
    "encoder_hid_dim_type",
    "time_cond_proj_dim",
    "time_embedding_act_fn",
)
"""Settings of ``UNet2DConditionModel`` that ask for an input beside text embeddings."""
KEYS_AND_VALUES = (".attn2.to_k.", ".attn2.to_v.")
"""Parts of the names of the weights through which a U-Net reads its text embeddings."""


class TextToImageNetwork(DiffusionNetwork):
    """``net(x, sigma, condition) -> x0`` over a diffusers ``UNet2DConditionModel``.

    ``condition`` holds text embeddings, float32 (N, L, D), with D the U-Net's
    ``cross_attention_dim``. All else is as in `DiffusionNetwork`.

    Args:
        unet: the trained model, conditioned on text embeddings alone.
        scheduler: holds betas and prediction type.
        codec: of the latents that the U-Net works on.
        bf16: run the U-Net under bfloat16 autocast; inputs and results stay float32.

    Raises:
        ValueError: the U-Net needs further conditions, or has other channels than the latents.
    """

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

    def _context(self, module: nn.Module, condition: Tensor | None) -> dict[str, Tensor]:
        if module is not self.unet and not getattr(module, "has_cross_attention", False):
            return {}
        if condition is None:
            raise ValueError("a text-conditioned network needs text embeddings as its condition")
        return {"encoder_hidden_states": condition}


def train_keys_and_values(unet: UNet2DConditionModel) -> list[nn.Parameter]:
    """Freeze a U-Net but for the key and value projections of its cross-attention.

    Returns:
        The trainable parameters (Kumari et al. 2023, Custom Diffusion).
    """
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(any(part in name for part in KEYS_AND_VALUES))
    return [parameter for parameter in unet.parameters() if parameter.requires_grad]
