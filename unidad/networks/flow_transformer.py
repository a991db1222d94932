"""The flow-matching transformer of diffusers, in the layout of Stable Diffusion 3.

A rectified flow goes from images at t = 0 to noise at t = 1 along ``x_t = (1 - t) x0 + t eps``;
the transformer predicts its velocity ``eps - x0`` (Esser et al. 2024). ``sigma = t / (1 - t)``
brings it into this package's noise process, see `unidad.diffusion.process`. At t = 1 that is
infinite, so the levels that it was trained at are those of its scheduler's times below 1: with
1000 of them and no shift up to sigma = 999, all but pure noise.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from torch import Tensor, nn

from unidad.config.diffusion import Diffusion
from unidad.diffusion.process import flow_level, flow_time, per_image, x0_from_flow
from unidad.diffusion.samplers import sampler_of
from unidad.errors import UserError
from unidad.files import read_json, write_json
from unidad.networks.backbone import Backbone
from unidad.networks.codec import Codec, LatentCodec, PixelUnshuffle
from unidad.networks.folder import DRAWING, load_model, save_model, write_index

if TYPE_CHECKING:
    from unidad.networks.text import TextEncoder

LAYOUT = "a flow transformer's folder holds transformer/ and scheduler/, and vae/ for latents"
HOW_TO_DRAW = """```python
from unidad.sampling import load_image_model

images = load_image_model("NAME").draw(seed=0, indices=range(16))
```

It is a folder of diffusers' StableDiffusion3Pipeline without text encoders; `drawing.json` has the
`sigmas` that the pipeline takes.
"""
TEXT_PARTS = ("text_encoder", "text_encoder_2", "text_encoder_3")
TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")


class FlowTransformer(Backbone):
    """A diffusers ``SD3Transformer2DModel`` that predicts the velocity of a rectified flow.

    Its condition is what `packed` makes of text embeddings and pooled projections. Without one it
    reads a single token and pooled projections of zeros: so an unconditional model is trained.

    Args:
        transformer: the trained model.
        scheduler: of the training; gives the times that it was trained at.
        bf16: run the transformer under bfloat16 autocast; inputs and results stay float32.
        codec: images ⇄ the network's space; by default the pixel-unshuffle that the number of
            input channels stands for.

    Raises:
        ValueError: other output channels than input channels, or pooled projections that are wider
            than a token.
    """

    FOLDER = "transformer"
    HOW_TO_DRAW = HOW_TO_DRAW
    LAYERS = {  # noqa: RUF012
        "attention": (
            *("to_q", "to_k", "to_v", "to_out.0"),
            *("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"),
        ),
        "keys_and_values": ("add_k_proj", "add_v_proj"),
    }

    def __init__(
        self,
        transformer: SD3Transformer2DModel,
        scheduler: FlowMatchEulerDiscreteScheduler,
        bf16: bool = False,
        codec: Codec | None = None,
    ):
        super().__init__()
        config = transformer.config
        if transformer.out_channels != config.in_channels:
            raise ValueError(f"{config.in_channels} channels in, {transformer.out_channels} out")
        if config.pooled_projection_dim > config.joint_attention_dim:
            raise ValueError("pooled projections wider than a token are not supported")
        self.transformer = transformer
        self.scheduler = scheduler
        self.bf16 = bf16
        self.codec = codec or PixelUnshuffle.for_channels(config.in_channels)
        times = scheduler.sigmas.double().flip(0)
        levels = flow_level(times[times < 1]).float()
        self.register_buffer("_levels", levels, persistent=False)

    @classmethod
    def load(
        cls, folder: Path, bf16: bool, codec: LatentCodec | None, weights: Path | None
    ) -> Self:
        """Load ``transformer/``, ``scheduler/`` and, if there is one, ``vae/``."""
        build = SD3Transformer2DModel.from_config
        transformer = load_model(folder / cls.FOLDER, build, LAYOUT, weights)
        scheduler = _load_scheduler(folder / "scheduler" / "scheduler_config.json")
        if codec is None and (folder / "vae").is_dir():
            codec = LatentCodec(load_model(folder / "vae", AutoencoderKL.from_config, LAYOUT))
        return cls(transformer, scheduler, bf16, codec)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the network's space."""
        config = self.transformer.config
        return config.in_channels, config.sample_size, config.sample_size

    @property
    def trained_levels(self) -> Tensor:
        """``t / (1 - t)`` of the scheduler's times below 1, ascending, float32 (T,)."""
        return self._levels

    @property
    def feature_channels(self) -> dict[str, int]:
        """Channels of each entry of `features`: the first half of the blocks."""
        count = (len(self.transformer.transformer_blocks) + 1) // 2
        names = [*(f"block{index}" for index in range(count - 1)), "middle"]
        return dict.fromkeys(names, self.transformer.inner_dim)

    def forward(self, x: Tensor, sigma: Tensor, condition: Tensor | None = None) -> Tensor:
        """Predict x0 of ``x = x0 + sigma * eps``, see `Backbone.forward`."""
        text, pooled = self._condition(x, condition)
        with self._autocast(x):
            velocity = self.transformer(
                self._scaled(x, sigma), text, pooled, self._timesteps(sigma)
            ).sample
        return x0_from_flow(x, velocity.float(), sigma)

    def features(
        self, x: Tensor, sigma: Tensor, condition: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Hidden states of the first half of the blocks as maps; the second half does not run."""
        model, patch = self.transformer, self.transformer.config.patch_size
        text, pooled = self._condition(x, condition)
        features = {}
        with self._autocast(x):
            hidden = model.pos_embed(self._scaled(x, sigma)).contiguous()
            embedding = model.time_text_embed(self._timesteps(sigma), pooled)
            text = model.context_embedder(text)
            for name, block in zip(self.feature_channels, model.transformer_blocks, strict=False):
                if model.gradient_checkpointing and torch.is_grad_enabled():
                    states = model._gradient_checkpointing_func(block, hidden, text, embedding)
                else:
                    states = block(hidden, text, embedding)
                text, hidden = states
                features[name] = hidden.mT.unflatten(2, (x.shape[2] // patch, x.shape[3] // patch))
        return features

    def write(
        self, folder: Path, sampler: str, nfe: int, diffusion: Diffusion, text: TextEncoder | None
    ) -> None:
        """As a ``StableDiffusion3Pipeline`` without text encoders; DRAWING has what it does not.

        ``pipeline(sigmas=drawing["sigmas"], latents=t * eps)`` with t the first of the scheduler's
        times draws what the sampler draws: a few-step student's scheduler samples stochastically,
        which is fresh noise at every step; an Euler step of the flow is one of ddim.
        """
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(
            self.scheduler.config, stochastic_sampling=sampler == "few_step"
        )
        vae = self.codec.vae if isinstance(self.codec, LatentCodec) else None
        parts = {self.FOLDER: self.transformer, "scheduler": scheduler, "vae": vae}
        scheduler.save_pretrained(folder / "scheduler")
        save_model(self.transformer, folder / self.FOLDER)
        if vae is not None:
            save_model(vae, folder / "vae")
        settings = {"sampler": sampler, "nfe": nfe, "diffusion": diffusion.model_dump()}
        settings["sigmas"] = self._unshifted(flow_time(sampler_of(sampler, nfe, diffusion)[1]))
        write_json(folder / DRAWING, settings)
        parts |= dict.fromkeys((*TEXT_PARTS, *TOKENIZERS, "image_encoder", "feature_extractor"))
        write_index(folder, "StableDiffusion3Pipeline", parts)

    def facts(self, dtypes: Iterable[str]) -> dict[str, str]:
        """Architecture and times, see `Backbone.facts`."""
        config, levels = self.transformer.config, self.trained_levels
        side = config.sample_size
        return {
            "architecture": f"SD3Transformer2DModel, {config.num_layers} blocks of "
            f"{self.transformer.inner_dim} channels, patches of {config.patch_size}",
            "parameters": f"{sum(p.numel() for p in self.transformer.parameters()):,}",
            "dtype": ", ".join(sorted(dtypes)),
            "channels": f"{config.in_channels} in, {config.in_channels} out",
            "attention heads": f"{config.attention_head_dim} channels wide",
            "resolution": f"{side * self.codec.factor}x{side * self.codec.factor}",
            "prediction": "flow",
            "noise levels": f"{len(levels)}, shift {self.scheduler.config.shift}, "
            f"sigma {levels[0]:.4g} to {levels[-1]:.4g}",
        }

    def _condition(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Text embeddings (N, L, D) and pooled projections (N, P)."""
        config = self.transformer.config
        if condition is None:
            condition = x.new_zeros(len(x), 2, config.joint_attention_dim)
        return condition[:, :-1], condition[:, -1, : config.pooled_projection_dim]

    def _scaled(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / per_image(1 + sigma, x)

    def _timesteps(self, sigma: Tensor) -> Tensor:
        return flow_time(sigma) * self.scheduler.config.num_train_timesteps

    def _unshifted(self, times: Tensor) -> list[float]:
        """What the scheduler's shift makes these times of."""
        shift = self.scheduler.config.shift
        return (times / (shift - (shift - 1) * times)).tolist()


def packed(text: Tensor, pooled: Tensor) -> Tensor:
    """The condition of a `FlowTransformer`: pooled projections travel as one more token.

    Args:
        text: embeddings (N, L, D).
        pooled: projections (N, P), P at most D.

    Returns:
        (N, L + 1, D), the last token padded with zeros.
    """
    return torch.cat(
        [text, nn.functional.pad(pooled, (0, text.shape[2] - pooled.shape[1]))[:, None]], 1
    )


def _load_scheduler(path: Path) -> FlowMatchEulerDiscreteScheduler:
    config = read_json(path, LAYOUT)
    kind = config.get("_class_name")
    if kind != FlowMatchEulerDiscreteScheduler.__name__ or config.get("use_dynamic_shifting"):
        raise UserError(
            f"{path}: expected a FlowMatchEulerDiscreteScheduler of a fixed shift, found {kind}"
        )
    return FlowMatchEulerDiscreteScheduler.from_config(config)
