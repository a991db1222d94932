"""Drawing a grid of prompts and seeds with a text-to-image model, and what it costs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from unidad.config.diffusion import Diffusion
from unidad.config.evaluation import PromptGrid
from unidad.data.contact_sheet import write_png
from unidad.data.image_set import ImageSet, to_uint8
from unidad.diffusion.samplers import IndexedNoise, sampler_of
from unidad.errors import UserError
from unidad.files import read_json, sha256, write_json
from unidad.networks.backbone import Backbone
from unidad.networks.guidance import guided
from unidad.networks.registry import load_backbone
from unidad.networks.text import TextEncoder
from unidad.networks.text_to_image_folder import load_codec, load_text_encoder
from unidad.sampling import Kept, draw

MANY_STEPS = 25
"""Network evaluations an image of a many-step model, unless the call says otherwise."""
RECORD = "drawn.json"


@dataclass(frozen=True)
class TextToImageModel:
    """A model folder, ready to draw.

    Attributes:
        network: with its codec.
        text: its text encoder.
        one_step: whether it draws in one step, without guidance.
        digest: changes with any of the folder's files.
    """

    network: Backbone
    text: TextEncoder
    one_step: bool
    digest: str


def load_text_to_image_model(folder: str | Path) -> TextToImageModel:
    """Load a pipeline folder, in float32, onto the GPU if there is one.

    A scheduler of Euler steps with trailing timesteps marks a one-step model, as
    `one_step_pipeline` exports it; every other scheduler stands for a many-step model.

    Raises:
        UserError: see `load_backbone`.
    """
    folder = Path(folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = load_backbone(folder, codec=load_codec(folder)).to(device)
    text = load_text_encoder(folder)
    text.model.to(device)
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json", "")
    one_step = (
        scheduler.get("_class_name") == "EulerDiscreteScheduler"
        and scheduler.get("timestep_spacing") == "trailing"
    )
    return TextToImageModel(network, text, one_step, _digest(folder))


def draw_grid(
    model: TextToImageModel,
    grid: PromptGrid,
    folder: Path,
    nfe: int | None = None,
    progress: bool = True,
) -> tuple[ImageSet, dict]:
    """Draw the images of a grid that are not in ``folder`` yet.

    Args:
        model: see `load_text_to_image_model`.
        grid: which images.
        folder: gets ``<number of the prompt>_<number of the image>.png``, both from 0. Images of
            another model, grid or nfe that an earlier call left there are drawn anew.
        nfe: network evaluations an image, not counting guidance; 1 or MANY_STEPS by default.
        progress: show a progress bar.

    Returns:
        See `draw`; the captions are the prompts, the operations those of guidance and the decoder
        as well.

    Raises:
        UserError: an nfe that the sampler cannot spend, or a prompt that is too long.
    """
    drawing = FromPrompts(model, grid, nfe)
    kept = KeptAsFiles(folder, grid, f"{model.digest} {drawing.nfe}")
    return draw(drawing, kept, progress)


class FromPrompts:
    """Images of a grid by their place in it; see `Drawing`.

    Raises:
        UserError: as for `draw_grid`.
    """

    def __init__(self, model: TextToImageModel, grid: PromptGrid, nfe: int | None = None) -> None:
        nfe = nfe or (1 if model.one_step else MANY_STEPS)
        if model.one_step and nfe > 1:
            raise UserError(f"nfe {nfe}: this model draws in one step; give 1")
        self.captions, self.count = grid.captions, len(grid.captions)
        self.batch_size = grid.batch_size
        self.network = model.network
        self.device = model.text.model.device
        self.grid, self.nfe = grid, nfe
        self.conditions = model.text(grid.prompts)
        scale = 1.0 if model.one_step else grid.guidance_scale
        self.denoiser = guided(model.network, model.text([""]), scale)
        diffusion = model.network.noise_process(Diffusion(spacing="timesteps"))
        name = "few_step" if model.one_step else "ddim"
        self.sampler, self.levels = sampler_of(name, nfe, diffusion)

    @torch.inference_mode()
    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        """Images uint8 (N, H, W, 3) of these places."""
        noise = IndexedNoise(self.grid.seed, indices, self.network.shape)
        prompts = torch.tensor(indices) // self.grid.images_per_prompt
        condition = self.conditions[prompts.to(self.device)]
        x0 = self.sampler(
            lambda x, sigma: self.denoiser(x, sigma, condition),
            self.levels.to(self.device),
            lambda: noise().to(self.device),
        )
        return to_uint8(self.network.codec.decode(x0))

    @torch.inference_mode()
    def flops(self) -> int:
        """Floating-point operations of one image: every evaluation, guidance, the decoder."""
        x = torch.zeros(1, *self.network.shape, device=self.device)
        evaluation, decoding = (FlopCounterMode(display=False) for _ in range(2))
        with evaluation:
            x0 = self.denoiser(x, torch.ones(1, device=self.device), self.conditions[:1])
        with decoding:
            self.network.codec.decode(x0)
        return self.nfe * evaluation.get_total_flops() + decoding.get_total_flops()


class KeptAsFiles(Kept):
    """The PNG files of a grid, and a record of what they were drawn with and how fast.

    Args:
        folder: of the files; images of another origin are removed from it.
        grid: which images.
        model: tells one model, at one nfe, from all others.
    """

    def __init__(self, folder: Path, grid: PromptGrid, model: str) -> None:
        self.folder = folder
        self.images_per_prompt = grid.images_per_prompt
        settings = f"{model} {grid.model_dump_json(exclude={'batch_size'})}"
        origin = hashlib.sha256(settings.encode()).hexdigest()
        self._record = {"origin": origin, "images": 0, "seconds": 0.0}
        record = folder / RECORD
        if record.exists() and (known := read_json(record, "")).get("origin") == origin:
            self._record = known
        else:
            self._start_anew()

    @property
    def images_per_second(self) -> float | None:
        """Over all calls that drew; None where none was timed."""
        seconds = self._record["seconds"]
        return self._record["images"] / seconds if seconds else None

    def has(self, index: int) -> bool:
        """Whether an image's file is there."""
        return self.path(index).exists()

    def path(self, index: int) -> Path:
        """The file of an image."""
        prompt, number = divmod(index, self.images_per_prompt)
        return self.folder / f"{prompt:02d}_{number:02d}.png"

    def add(self, indices: Sequence[int], images: np.ndarray, seconds: float) -> None:
        """Write images, and note how long they took."""
        for index, image in zip(indices, images, strict=True):
            write_png(self.path(index), Image.fromarray(image))
        self._record["images"] += len(images)
        self._record["seconds"] += seconds
        write_json(self.folder / RECORD, self._record)

    def read(self, count: int) -> np.ndarray:
        """The first images, uint8 (N, H, W, 3)."""
        return np.stack([np.asarray(Image.open(self.path(index))) for index in range(count)])

    def _start_anew(self) -> None:
        for path in self.folder.glob("*_*.png"):
            if re.fullmatch(r"\d+_\d+\.png", path.name):
                path.unlink()
        write_json(self.folder / RECORD, self._record)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)} {sha256(path)}".encode())
    return digest.hexdigest()
