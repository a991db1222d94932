"""guided-diffusion's U-Net from its published layout: names, shapes and forward, in plain torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Adm:
    """An architecture, in guided-diffusion's terms."""

    base: int = 32
    multipliers: tuple[int, ...] = (1, 2)
    attention: tuple[int, ...] = (1,)
    """Levels with attention."""
    layers: int = 1
    head: int = 32
    resolution: int = 16
    outputs: int = 6
    new_order: bool = False
    updown: bool = True
    scale_shift: bool = True

    @property
    def channels(self) -> list[int]:
        return [self.base * multiplier for multiplier in self.multipliers]


FFHQ = Adm(256, (1, 1, 2, 2, 4, 4), (3, 4, 5), layers=2, head=64, resolution=256)


def layout(adm: Adm) -> tuple[list[list[tuple]], list[list[tuple]]]:
    """Encoder and decoder: each block a list of (kind, input channels, output channels)."""
    down, up, skips, width = [[("stem", 3, adm.base)]], [], [adm.base], adm.base
    last = len(adm.channels) - 1
    for level, channels in enumerate(adm.channels):
        for _ in range(adm.layers):
            attention = [("attention", channels, channels)] if level in adm.attention else []
            down.append([("residual", width, channels), *attention])
            skips.append(width := channels)
        if level < last:
            down.append([("residual_down" if adm.updown else "down", width, width)])
            skips.append(width)
    for level, channels in reversed(list(enumerate(adm.channels))):
        for layer in range(adm.layers + 1):
            block = [("residual", width + skips.pop(), channels)]
            width = channels
            if level in adm.attention:
                block.append(("attention", width, width))
            if level and layer == adm.layers:
                block.append(("residual_up" if adm.updown else "up", width, width))
            up.append(block)
    return down, up


def blocks(adm: Adm) -> list[list[tuple]]:
    """Every module as (name, kind, input channels, output channels), block by block."""
    down, up = layout(adm)
    width = adm.channels[-1]
    middle = [[("residual", width, width), ("attention", width, width), ("residual", width, width)]]
    named = []
    for prefix, part in [("input_blocks.", down), ("middle_block", middle), ("output_blocks.", up)]:
        for index, block in enumerate(part):
            where = prefix if prefix == "middle_block" else f"{prefix}{index}"
            named.append([(f"{where}.{i}", *module) for i, module in enumerate(block)])
    return named


def shapes(adm: Adm) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor of the state dict."""
    time = 4 * adm.base
    weights = {"time_embed.0": (time, adm.base), "time_embed.2": (time, time)}
    for name, kind, ins, outs in (module for block in blocks(adm) for module in block):
        if kind == "stem":
            weights[name] = (outs, ins, 3, 3)
        elif kind == "attention":
            weights |= {f"{name}.norm": (ins,), f"{name}.qkv": (3 * ins, ins, 1)}
            weights[f"{name}.proj_out"] = (ins, ins, 1)
        elif kind in ("down", "up"):
            weights[f"{name}.{'op' if kind == 'down' else 'conv'}"] = (outs, ins, 3, 3)
        else:
            weights[f"{name}.in_layers.0"] = (ins,)
            weights[f"{name}.in_layers.2"] = (outs, ins, 3, 3)
            weights[f"{name}.emb_layers.1"] = (outs * (2 if adm.scale_shift else 1), time)
            weights[f"{name}.out_layers.0"] = (outs,)
            weights[f"{name}.out_layers.3"] = (outs, outs, 3, 3)
            if ins != outs:
                weights[f"{name}.skip_connection"] = (outs, ins, 1, 1)
    weights |= {"out.0": (adm.base,), "out.2": (adm.outputs, adm.base, 3, 3)}
    biases = {f"{name}.bias": shape[:1] for name, shape in weights.items()}
    return {f"{name}.weight": shape for name, shape in weights.items()} | biases


def random_state(adm: Adm, seed: int = 0) -> dict[str, Tensor]:
    """Random weights, none of them zero, that keep activations of the order of one."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes(adm).items():
        noise = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            state[name] = noise / math.sqrt(math.prod(shape[1:]))
        else:
            state[name] = 0.3 * noise + (1 if name.endswith("weight") else 0)
    return state


def forward(adm: Adm, state: dict[str, Tensor], x: Tensor, timesteps: Tensor) -> Tensor:
    """The published U-Net on a state dict: x (N, 3, H, W), timesteps (N,) → (N, outputs, H, W)."""

    def both(name: str) -> tuple[Tensor, Tensor]:
        return state[f"{name}.weight"], state[f"{name}.bias"]

    def linear(name: str, v: Tensor) -> Tensor:
        return F.linear(v, *both(name))

    def convolve(name: str, v: Tensor, stride: int = 1) -> Tensor:
        return F.conv2d(v, *both(name), stride, padding=state[f"{name}.weight"].shape[-1] // 2)

    def normalise(name: str, v: Tensor) -> Tensor:
        return F.group_norm(v, 32, *both(name), 1e-5)

    def residual(name: str, v: Tensor, resize) -> Tensor:
        h = resize(F.silu(normalise(f"{name}.in_layers.0", v)))
        h, v = convolve(f"{name}.in_layers.2", h), resize(v)
        time = linear(f"{name}.emb_layers.1", F.silu(embedding))[:, :, None, None]
        if adm.scale_shift:
            scale, shift = time.chunk(2, 1)
            h = normalise(f"{name}.out_layers.0", h) * (1 + scale) + shift
        else:
            h = normalise(f"{name}.out_layers.0", h + time)
        h = convolve(f"{name}.out_layers.3", F.silu(h))
        shortcut = f"{name}.skip_connection"
        return h + (convolve(shortcut, v) if f"{shortcut}.weight" in state else v)

    def attend(name: str, v: Tensor) -> Tensor:
        channels, d = v.shape[1], adm.head
        qkv = F.conv1d(normalise(f"{name}.norm", v).flatten(2), *both(f"{name}.qkv"))
        heads = []
        for h in range(channels // d):
            starts = (h * d + i * channels if adm.new_order else (3 * h + i) * d for i in range(3))
            q, k, value = (qkv[:, start : start + d] for start in starts)
            weights = torch.softmax(q.transpose(1, 2) @ k / math.sqrt(d), dim=-1)
            heads.append(value @ weights.transpose(1, 2))
        return v + F.conv1d(torch.cat(heads, 1), *both(f"{name}.proj_out")).view_as(v)

    def double(v: Tensor) -> Tensor:
        return F.interpolate(v, scale_factor=2, mode="nearest")

    run = {
        "stem": convolve,
        "residual": lambda name, v: residual(name, v, lambda w: w),
        "residual_down": lambda name, v: residual(name, v, lambda w: F.avg_pool2d(w, 2)),
        "residual_up": lambda name, v: residual(name, v, double),
        "attention": attend,
        "down": lambda name, v: convolve(f"{name}.op", v, stride=2),
        "up": lambda name, v: convolve(f"{name}.conv", double(v)),
    }
    frequencies = 10000 ** -(torch.arange(adm.base // 2) / (adm.base // 2))
    angles = timesteps[:, None] * frequencies
    embedding = linear("time_embed.0", torch.cat([angles.cos(), angles.sin()], 1).to(x.dtype))
    embedding = linear("time_embed.2", F.silu(embedding))
    skips, h = [], x
    for block in blocks(adm):
        decodes = block[0][0].startswith("output_blocks")
        h = torch.cat([h, skips.pop()], 1) if decodes else h
        for name, kind, _, _ in block:
            h = run[kind](name, h)
        if block[0][0].startswith("input_blocks"):
            skips.append(h)
    return convolve("out.2", F.silu(normalise("out.0", h)))
