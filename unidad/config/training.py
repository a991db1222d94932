"""The training loop's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from unidad.config.section import (
    DISTINCT,
    NUMBER,
    Count,
    Decay,
    NotNegative,
    Positive,
    Section,
    Whole,
)

SAVINGS = (
    "gradient_accumulation",
    "gradient_checkpointing",
    "bf16_teachers",
    "offload_teachers",
    "adam_8bit",
    "ema_on_host",
)
"""Settings of the training that spend time, or a little precision, for less memory."""

WATCHING = ("checkpoint_every", "sample_every", "log_every", "trackers")
"""Settings of what is written on the way: no weight depends on them."""


class Training(Section):
    """The trainer's settings, the same for every method."""

    student_updates: Count = 1000
    """Updates of the student: the budget."""
    batch_size: Annotated[int, Field(ge=1, le=100_000), NUMBER] = 8
    """Images in an update, shared by the processes of a run on several GPUs."""
    gradient_accumulation: Count = 1
    """Parts that a process computes its images of an update in, one after the other: for less
    memory, the same gradient."""
    gradient_checkpointing: bool = False
    """Compute the residual blocks of trained networks a second time for the backward pass instead
    of keeping their activations: less memory, about a third more time, the same gradient."""
    bf16_teachers: bool = False
    """Store and run frozen teachers in bfloat16: half their memory."""
    offload_teachers: bool = False
    """Keep frozen teachers in the host's memory, and on the GPU only while they are asked."""
    adam_8bit: bool = False
    """AdamW with moments of 8 bits: a quarter of their memory. Needs bitsandbytes."""
    ema_on_host: bool = False
    """Keep the student's moving average in the host's memory."""
    learning_rate: Positive = 1e-4
    """AdamW's rate after the warm-up."""
    beta1: Decay = 0.9
    """AdamW's first-moment decay."""
    beta2: Decay = 0.999
    """AdamW's second-moment decay."""
    weight_decay: NotNegative = 0.01
    """AdamW's decoupled weight decay."""
    warmup_updates: Whole = 50
    """Updates over which a network's rate rises to its value, counted for each network alone."""
    warmup_counts: Literal["updates", "iterations"] = "updates"
    """What warmup_updates counts: a network's own updates, or iterations, of which a student update
    takes several (the paper's code)."""
    decay_updates: Whole = 0
    """Final student updates over which the rates fall linearly to zero; 0 keeps them constant."""
    gradient_clip: Positive = 10.0
    """Largest gradient norm of a network."""
    ema_decay: Decay = 0.995
    """Decay of the student's moving average, which is what is sampled and saved; 0 turns it off
    (the original keeps none)."""
    horizontal_flip: bool = True
    """Flip real images at random."""
    bf16: bool = False
    """Run the networks under bfloat16 autocast."""
    compile: bool = False
    """Compile the U-Nets (torch.compile): a minute of preparation, then faster iterations. What
    does not compile here runs as it is, with a warning."""
    checkpoint_every: Count = 200
    """Student updates between checkpoints."""
    sample_every: Whole = 500
    """Student updates between sample grids; 0 draws none."""
    snapshots: Annotated[int, Field(ge=0, le=1000), NUMBER] = 0
    """Copies of the student kept at equal distances before the end, and measured: the report's
    plot of quality against updates, and its best checkpoint beside the last."""
    log_every: Count = 10
    """Student updates between lines of the training log."""
    trackers: Annotated[tuple[Literal["tensorboard", "wandb"], ...], DISTINCT] = ("tensorboard",)
    """Experiment trackers, through accelerate, beside the CSV log."""

    @model_validator(mode="after")
    def _whole_parts(self) -> Training:
        if self.batch_size % self.gradient_accumulation:
            raise ValueError(
                f"gradient_accumulation: {self.batch_size} images (batch_size) cannot be cut into "
                f"{self.gradient_accumulation} equal parts"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_unused_savings(self, handler: SerializerFunctionWrapHandler) -> dict:
        """A run's specification, and so its hash, knows only the memory savings that it uses."""
        unused = {
            name for name in SAVINGS if getattr(self, name) == type(self).model_fields[name].default
        }
        return {name: value for name, value in handler(self).items() if name not in unused}
