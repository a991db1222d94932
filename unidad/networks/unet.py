"""The unconditional U-Net of diffusers: that of DDPM, of guided-diffusion, of the small networks.

The text-conditioned U-Net (`unidad.networks.text_to_image`) differs in `_context` alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel, UNet2DModel
from torch import Tensor, nn

from unidad.config.diffusion import Diffusion
from unidad.config.mistakes import validate
from unidad.config.model_files import SchedulerFile, UNetFile
from unidad.diffusion.levels import timestep_levels
from unidad.diffusion.process import per_image, x0_from_eps, x0_from_v
from unidad.errors import UserError
from unidad.files import read_json
from unidad.networks import patches
from unidad.networks.backbone import Backbone
from unidad.networks.codec import Codec, LatentCodec, PixelUnshuffle
from unidad.networks.folder import load_model, present_names, save_model, write_index
from unidad.networks.patches import PatchCodec

if TYPE_CHECKING:
    from unidad.networks.text import TextEncoder

LAYOUT = "a model folder holds unet/ and scheduler/"
EXPECTED = {
    "time_embedding_type": "positional",
    "mid_block_type": "UNetMidBlock2D",
    "center_input_sample": False,
    "class_embed_type": None,
    "num_class_embeds": None,
}
"""Values of a U-Net's configuration that the network contract takes for granted."""
HOW_TO_DRAW = """```python
from unidad.pipeline import UnidadPipeline

images = UnidadPipeline.from_pretrained("NAME")(batch_size=16, seed=0).images
```

The sampler and its noise levels are stored in `model_index.json`.
"""
PREDICTIONS = ("epsilon", "v_prediction", "sample")


class UNet(Backbone):
    """A diffusers ``UNet2DModel`` with betas.

    Args:
        unet: the trained model; six output channels for three inputs mean a learned variance,
            whose half is ignored.
        scheduler: holds betas and prediction type (``epsilon``, ``v_prediction``, ``sample``).
        bf16: run the U-Net under bfloat16 autocast; inputs and results stay float32.
        codec: images ⇄ the network's space; by default the pixel-unshuffle that the number of
            input channels stands for.
    """

    FOLDER = "unet"
    HOW_TO_DRAW = HOW_TO_DRAW
    LAYERS = {  # noqa: RUF012
        "attention": ("to_q", "to_k", "to_v", "to_out.0"),
        "keys_and_values": ("attn2.to_k", "attn2.to_v"),
    }

    def __init__(
        self,
        unet: UNet2DModel | UNet2DConditionModel,
        scheduler: DDPMScheduler,
        bf16: bool = False,
        codec: Codec | None = None,
    ):
        super().__init__()
        self.unet = unet.to(memory_format=torch.channels_last)
        self.scheduler = scheduler
        self.bf16 = bf16
        self.codec = codec or PixelUnshuffle.for_channels(unet.config.in_channels)
        alpha_bar = scheduler.alphas_cumprod.double()
        self.register_buffer("_alpha_bar", alpha_bar, persistent=False)
        deviation = self.codec.deviation if isinstance(self.codec, PatchCodec) else None
        self.register_buffer("_deviation", deviation, persistent=False)

    @classmethod
    def load(
        cls, folder: Path, bf16: bool, codec: LatentCodec | None, weights: Path | None
    ) -> Self:
        """Load ``unet/`` and ``scheduler/``, or both side by side, as google/ddpm-* has them."""
        bare = (folder / "config.json").is_file()
        unet_folder, scheduler_folder = (
            folder if bare else folder / name for name in (cls.FOLDER, "scheduler")
        )
        if not bare and (folder / patches.FOLDER).exists():
            codec = PatchCodec.load(folder)
        unet = load_model(unet_folder, _build_unet, LAYOUT, weights, present_names)
        return cls(unet, load_scheduler(scheduler_folder, LAYOUT), bf16, codec)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the network's space."""
        size = self.unet.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        return self.unet.config.in_channels, height, width

    @property
    def trained_levels(self) -> Tensor:
        """The levels of its timesteps, ascending, float32 (T,)."""
        return timestep_levels(self._alpha_bar)

    @property
    def feature_channels(self) -> dict[str, int]:
        """Channels of each entry of `features`."""
        channels = self.unet.config.block_out_channels
        found = {"down0/in": channels[0]}
        for index, (block, count) in enumerate(zip(self.unet.down_blocks, channels, strict=True)):
            within = len(block.resnets) - (block.downsamplers is None)
            found |= {f"down{index}/{place}": count for place in range(within)}
            found[f"down{index}"] = count
        return found | {"middle": channels[-1]}

    def timesteps(self, sigma: Tensor) -> Tensor:
        """The timestep whose alpha-bar is nearest to ``1 / (1 + sigma^2)``; sigma (N,) → (N,)."""
        wanted = 1 / (1 + sigma.double() ** 2)
        ascending = self._alpha_bar.flip(0)
        right = torch.searchsorted(ascending, wanted).clamp(1, len(ascending) - 1)
        nearer_left = wanted - ascending[right - 1] < ascending[right] - wanted
        return len(ascending) - 1 - (right - nearer_left.long())

    def forward(self, x: Tensor, sigma: Tensor, condition: Tensor | None = None) -> Tensor:
        """Predict x0 of ``x = x0 + sigma * eps``, see `Backbone.forward`."""
        own, level = self._own_units(x, sigma)
        with self._autocast(x):
            context = self._context(self.unet, condition)
            output = self.unet(_scaled(own, level), self.timesteps(sigma), **context).sample
        output = output[:, : x.shape[1]].float()
        prediction = self.scheduler.config.prediction_type
        if prediction == "epsilon":
            x0 = x0_from_eps(own, output, level)
        else:
            x0 = x0_from_v(own, output, level) if prediction == "v_prediction" else output
        return x0 if self._deviation is None else x0 * per_image(self._deviation[None], x0)

    def features(
        self, x: Tensor, sigma: Tensor, condition: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Outputs of every encoder block and of the middle block; the decoder does not run.

        Within a block: of the first convolution (``down0/in``) and of each residual block with its
        attention (``down0/0``), the last map of a block being its output.
        """
        unet = self.unet
        with self._autocast(x):
            embedding = unet.time_embedding(unet.time_proj(self.timesteps(sigma)).to(x.dtype))
            hidden = unet.conv_in(_scaled(*self._own_units(x, sigma)))
            features = {"down0/in": hidden}
            for index, block in enumerate(unet.down_blocks):
                context = self._context(block, condition)
                hidden, states = block(hidden_states=hidden, temb=embedding, **context)
                features |= {f"down{index}/{place}": x for place, x in enumerate(states[:-1])}
                features[f"down{index}"] = hidden
            context = self._context(unet.mid_block, condition)
            features["middle"] = unet.mid_block(hidden, embedding, **context)
        return features

    def write(
        self, folder: Path, sampler: str, nfe: int, diffusion: Diffusion, text: TextEncoder | None
    ) -> None:
        """As `unidad.pipeline.UnidadPipeline` is stored: sampler and levels are in its index."""
        save_model(self.unet, folder / self.FOLDER)
        self.scheduler.save_pretrained(folder / "scheduler")
        settings = {"sampler": sampler, "nfe": nfe, "diffusion": diffusion.model_dump()}
        parts = {self.FOLDER: self.unet, "scheduler": self.scheduler}
        if isinstance(self.codec, PatchCodec):
            parts[patches.FOLDER] = self.codec.model
            save_model(self.codec.model, folder / patches.FOLDER)
        write_index(folder, "UnidadPipeline", parts, settings)

    def facts(self, dtypes: Iterable[str]) -> dict[str, str]:
        """Architecture, prediction and noise process, see `Backbone.facts`."""
        config, scheduler = self.unet.config, self.scheduler.config
        attention = ["Attn" in kind for kind in config.down_block_types]
        blocks = [
            f"1/{2**halvings}: {channels}{' with attention' if attends else ''}"
            for halvings, (channels, attends) in enumerate(
                zip(config.block_out_channels, attention, strict=True)
            )
        ]
        learned = config.out_channels > config.in_channels
        sigma = self.trained_levels
        return {
            "architecture": f"{type(self.unet).__name__}, {config.resnet_time_scale_shift} time "
            f"embedding, {config.downsample_type} resampling",
            "residual blocks": f"{config.layers_per_block} a block",
            "parameters": f"{sum(p.numel() for p in self.unet.parameters()):,}",
            "dtype": ", ".join(sorted(dtypes)),
            "channels": f"{config.in_channels} in, {config.out_channels} out"
            + (" (with a learned variance, which is ignored)" if learned else ""),
            "attention heads": f"{config.attention_head_dim or 'all'} channels wide",
            "resolution": "unknown" if config.sample_size is None else self._resolution(),
            "blocks": ", ".join(blocks),
            "prediction": scheduler.prediction_type,
            "noise levels": f"{len(sigma)}, {scheduler.beta_schedule} betas, "
            f"sigma {sigma[0]:.4g} to {sigma[-1]:.4g}",
        }

    def _resolution(self) -> str:
        _, height, width = self.shape
        factor = self.codec.factor
        unshuffled = f", unshuffled to {height}x{width}" if factor > 1 else ""
        if isinstance(self.codec, PatchCodec):
            unshuffled += f", {self.codec.channels} of {3 * factor**2} components"
        return f"{height * factor}x{width * factor}{unshuffled}"

    def _context(self, module: nn.Module, condition: Tensor | None) -> dict[str, Tensor]:
        """Keyword arguments of the U-Net, or of a block of it, beside image and timestep."""
        return {}

    def _own_units(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The image and its noise levels, each component in units of its own deviation.

        The preconditioning of Karras et al. 2022 (table 1), with a sigma_data for each component:
        what hardly varies in images is predicted to hardly vary, before any training.
        """
        if self._deviation is None:
            return x, sigma
        return x / per_image(self._deviation[None], x), sigma[:, None] / self._deviation


def _scaled(x: Tensor, sigma: Tensor) -> Tensor:
    """As a variance-preserving network sees it."""
    scaled = x / (1 + per_image(sigma, x) ** 2).sqrt()
    return scaled.contiguous(memory_format=torch.channels_last)


def _build_unet(config: dict) -> UNet2DModel:
    kind = config.get("_class_name")
    if kind != "UNet2DModel":
        raise UserError(f"_class_name: expected UNet2DModel, found {kind}")
    for key, value in EXPECTED.items():
        if config.get(key, value) != value:
            raise UserError(f"{key}: only {value} is supported, found {config[key]}")
    if config.get("sample_size") is None:
        raise UserError("sample_size: missing; write the model's resolution there")
    validate(UNetFile, config, "")
    return UNet2DModel.from_config(config)


def load_scheduler(folder: Path, layout: str) -> DDPMScheduler:
    """Load betas and prediction type, whichever scheduler they were stored with.

    Raises:
        UserError: a missing or unreadable file, a process without betas (flow matching) or with
            infinite noise (zero terminal SNR), or an unknown prediction type.
    """
    config_file = folder / "scheduler_config.json"
    config = read_json(config_file, layout)
    validate(SchedulerFile, config, str(config_file))
    try:
        return _build_scheduler(config)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise UserError(f"{config_file}: {error}") from None


def _build_scheduler(config: dict) -> DDPMScheduler:
    if "beta_schedule" not in config:
        raise ValueError("no 'beta_schedule'; only diffusion with betas is supported")
    scheduler = DDPMScheduler.from_config(config)
    prediction = scheduler.config.prediction_type
    if prediction not in PREDICTIONS:
        raise ValueError(f"prediction_type is {prediction!r}; choose one of {PREDICTIONS}")
    if scheduler.alphas_cumprod[-1] == 0:
        raise ValueError(
            "rescale_betas_zero_snr makes the last noise level infinite; "
            "only models trained without it are supported"
        )
    return scheduler


def new_network(
    resolution: int,
    unshuffle: int = 2,
    channels: tuple[int, ...] = (64, 128, 128),
    layers: int = 1,
    prediction_type: str = "v_prediction",
    bf16: bool = False,
    codec: PatchCodec | None = None,
) -> UNet:
    """A fresh small U-Net for RGB images, randomly initialised from torch's global generator.

    Args:
        resolution: of the images, in pixels.
        unshuffle: pixel-unshuffle factor of the codec.
        channels: of the U-Net's blocks, at halving resolutions; attention in the last one.
        layers: residual blocks in each.
        prediction_type: ``epsilon``, ``v_prediction`` or ``sample``.
        bf16: as for `UNet`.
        codec: in the place of the pixel-unshuffle, whose factor it has.
    """
    space = 3 * unshuffle**2 if codec is None else codec.channels
    attention = [False] * (len(channels) - 1) + [True]
    unet = UNet2DModel(
        sample_size=resolution // unshuffle,
        in_channels=space,
        out_channels=space,
        block_out_channels=tuple(channels),
        layers_per_block=layers,
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attention],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in attention[::-1]],
        norm_num_groups=16,
        attention_head_dim=32,
    )
    return UNet(unet, DDPMScheduler(prediction_type=prediction_type), bf16, codec)
