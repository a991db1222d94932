"""guided-diffusion's U-Net from its published layout: names, shapes and forward, in plain torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Resize = Callable[[Tensor], Tensor]


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


class Modules:
    """The kinds of modules: each method takes a module's name and its input (N, C, H, W)."""

    def __init__(self, adm: Adm, state: dict[str, Tensor], timesteps: Tensor):
        self.adm, self.state = adm, state
        frequencies = 10000 ** -(torch.arange(adm.base // 2) / (adm.base // 2))
        angles = timesteps[:, None] * frequencies
        waves = torch.cat([angles.cos(), angles.sin()], 1).to(state["time_embed.0.weight"].dtype)
        hidden = F.silu(self.linear("time_embed.0", waves))
        self.embedding = self.linear("time_embed.2", hidden)

    def both(self, name: str) -> tuple[Tensor, Tensor]:
        return self.state[f"{name}.weight"], self.state[f"{name}.bias"]

    def linear(self, name: str, v: Tensor) -> Tensor:
        return F.linear(v, *self.both(name))

    def convolve(self, name: str, v: Tensor, stride: int = 1) -> Tensor:
        weight, bias = self.both(name)
        return F.conv2d(v, weight, bias, stride, padding=weight.shape[-1] // 2)

    def normalise(self, name: str, v: Tensor) -> Tensor:
        return F.group_norm(v, 32, *self.both(name), 1e-5)

    stem = convolve

    def down(self, name: str, v: Tensor) -> Tensor:
        return self.convolve(f"{name}.op", v, stride=2)

    def up(self, name: str, v: Tensor) -> Tensor:
        return self.convolve(f"{name}.conv", doubled(v))

    def residual(self, name: str, v: Tensor, resize: Resize = lambda v: v) -> Tensor:
        h = resize(F.silu(self.normalise(f"{name}.in_layers.0", v)))
        h, v = self.convolve(f"{name}.in_layers.2", h), resize(v)
        time = self.linear(f"{name}.emb_layers.1", F.silu(self.embedding))[:, :, None, None]
        if self.adm.scale_shift:
            scale, shift = time.chunk(2, 1)
            h = self.normalise(f"{name}.out_layers.0", h) * (1 + scale) + shift
        else:
            h = self.normalise(f"{name}.out_layers.0", h + time)
        h = self.convolve(f"{name}.out_layers.3", F.silu(h))
        shortcut = f"{name}.skip_connection"
        return h + (self.convolve(shortcut, v) if f"{shortcut}.weight" in self.state else v)

    def residual_down(self, name: str, v: Tensor) -> Tensor:
        return self.residual(name, v, lambda v: F.avg_pool2d(v, 2))

    def residual_up(self, name: str, v: Tensor) -> Tensor:
        return self.residual(name, v, doubled)

    def attention(self, name: str, v: Tensor) -> Tensor:
        channels, d = v.shape[1], self.adm.head
        normalised = self.normalise(f"{name}.norm", v).flatten(2)
        qkv = F.conv1d(normalised, *self.both(f"{name}.qkv"))
        heads = []
        for h in range(channels // d):
            new = self.adm.new_order
            starts = (h * d + i * channels if new else (3 * h + i) * d for i in range(3))
            q, k, value = (qkv[:, start : start + d] for start in starts)
            weights = torch.softmax(q.transpose(1, 2) @ k / math.sqrt(d), dim=-1)
            heads.append(value @ weights.transpose(1, 2))
        return v + F.conv1d(torch.cat(heads, 1), *self.both(f"{name}.proj_out")).view_as(v)


def doubled(v: Tensor) -> Tensor:
    return F.interpolate(v, scale_factor=2, mode="nearest")


def forward(adm: Adm, state: dict[str, Tensor], x: Tensor, timesteps: Tensor) -> Tensor:
    """The published U-Net on a state dict: x (N, 3, H, W), timesteps (N,) → (N, outputs, H, W)."""
    modules, skips, h = Modules(adm, state, timesteps), [], x
    for block in blocks(adm):
        decodes = block[0][0].startswith("output_blocks")
        h = torch.cat([h, skips.pop()], 1) if decodes else h
        for name, kind, _, _ in block:
            h = getattr(modules, kind)(name, h)
        if block[0][0].startswith("input_blocks"):
            skips.append(h)
    return modules.convolve("out.2", F.silu(modules.normalise("out.0", h)))
