"""The run specification: all that one training depends on."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Annotated, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from unidad.config.diffusion import Diffusion, Network
from unidad.config.names import ORIGINS, SOURCE_TEACHER
from unidad.config.section import DISTINCT, Count, Evaluations, Section, Seed, Text, merged
from unidad.config.text_to_image import TextToImage
from unidad.config.training import WATCHING, Training


class MethodSettings(Section):
    """What the methods' settings share; `<label>` stands for another variant's name.

    A method's own add ``method: Literal["its name"]``, and a ``sampler`` where it is no few-step
    student (`FewStepSettings`).
    """

    uses_prior: ClassVar[bool] = False
    """Whether prior preservation is a part of the method."""
    has_fake_score: ClassVar[bool] = False
    """Whether a fake score tracks the student."""
    needs_prompts: ClassVar[bool] = False
    """Whether the method learns a word, and so trains with prompts alone."""
    update_seconds: ClassVar[float] = 1.0
    """Of a student update, with all that goes with it, of 64x64 images on two cores; where time
    left is told, the ratios between methods count, and they are about the same elsewhere."""

    nfe: Evaluations
    """Network evaluations an image, in training (few-step students) and in the table."""
    extra_nfe: Annotated[tuple[Evaluations, ...], DISTINCT] = ()
    """Further numbers of evaluations to measure, for the plot of quality against NFE."""
    domain: Literal["target", "source"] = "target"
    """Train on each target's shots, or once on the source set."""
    student: str = SOURCE_TEACHER
    """Where the student's weights start: source_teacher, source_student or
    `<label>`."""
    training: Training = Training()
    """Settings that differ from the top-level `training`."""

    def origins(self) -> dict[str, str]:
        """Role (student, teacher, target_teacher) → whose weights it has: one of `ORIGINS`, or the
        label of another variant."""
        return {"student": self.student}

    def labels(self) -> dict[str, str]:
        """Those of `origins` that are other variants."""
        return {role: name for role, name in self.origins().items() if name not in ORIGINS}

    def for_target(self, near: bool) -> Self:
        """The settings of a run: numbers in place of ``auto``; near: see `Target`."""
        return self

    def with_features(self, trained: dict[str, str]) -> Self:
        """The settings with folders of frozen networks (name → folder) in place of shipped ones."""
        return self

    @property
    def frozen_features(self) -> dict[str, str]:
        """Name → folder (or ``shipped``) of the frozen networks that images are seen with."""
        return {}

    def input_files(self) -> list[Path]:
        """Files that training reads beside the specification's own, such as frozen networks'."""
        return []

    @property
    def trained_networks(self) -> int:
        """How many networks of the student's size are trained, for estimates."""
        return 1

    def unused(self) -> set[str]:
        """Dotted keys of the settings that the weights of a run do not depend on."""
        keys = {"extra_nfe", *(f"training.{key}" for key in WATCHING)}
        if "teacher" not in self.origins():
            keys |= {"training.bf16_teachers", "training.offload_teachers"}
        return keys

    def check_run(self) -> None:
        """Refuse settings that are fit for a configuration, but not for a run.

        Raises:
            ValueError: what is wrong.
        """


class FewStepSettings(MethodSettings):
    """Of a method whose student draws in a few steps."""

    @property
    def sampler(self) -> str:
        """How it samples."""
        return "few_step"


S = TypeVar("S", bound=MethodSettings)


class RunSpec(Section, Generic[S]):
    """All that one training run is: what `unidad train` reads, resolved and validated.

    It is dumped without what the weights do not depend on (`unused`): whatever logs, draws or
    measures may change while a finished model stays.
    """

    target: str
    """Target name, or `source`."""
    shots: Count | None
    """Training images; null for the source set."""
    label: str
    """The variant's label in tables."""
    seed: Seed
    """Seed of every random draw of the run."""
    data: Text
    """Path of the training image set."""
    student: str | None
    """Model folder the student starts from; null: a fresh network."""
    teacher: str | None = None
    """Model folder of the (source) teacher."""
    target_teacher: str | None = None
    """Model folder of a pre-adapted, frozen target teacher."""
    resolution: Count
    """Of the images, in pixels."""
    network: Network = Network()
    """Architecture of a fresh network."""
    diffusion: Diffusion
    """The noise process."""
    variant: S
    """Method and settings."""
    text_to_image: TextToImage | None = None
    """Prompts and settings of text-conditioned networks; null: unconditional ones."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named = self.variant.origins()
        missing = [role for role in named if role != "student" and getattr(self, role) is None]
        if missing:
            raise ValueError(f"method {self.variant.method} needs a '{missing[0]}', a model folder")
        self.variant.check_run()
        prompted = self.text_to_image is not None and self.text_to_image.prompts is not None
        if self.variant.needs_prompts and not prompted:
            raise ValueError(
                f"method {self.variant.method} needs text_to_image.prompts, one with the rare token"
            )
        if self.student is None:
            self.network.check(self.resolution)
        if self.text_to_image is not None:
            _check_text_to_image(self)
        elif self.diffusion.spacing != "timesteps":
            self.diffusion.student_range(self.resolution)
        return self

    def unused(self) -> set[str]:
        """Dotted keys that the weights do not depend on."""
        text, few_step = self.text_to_image is not None, self.variant.sampler == "few_step"
        keys = {f"variant.{key}" for key in self.variant.unused()}
        keys |= {f"diffusion.{key}" for key in self.diffusion.unused(few_step, text)}
        if self.student is not None:
            keys.add("network")
        if text and "teacher" not in self.variant.origins():
            keys.add("text_to_image.guidance_scale")
        prompts = self.text_to_image.prompts if text else None
        if prompts is not None and prompts.word_start is None:
            keys.add("text_to_image.prompts.word_start")
        for name in ("fake_score_weights", "fake_score_prefix") if text else ():
            if getattr(self.text_to_image, name) is None:
                keys.add(f"text_to_image.{name}")
        return keys

    def watching(self) -> dict:
        """What logs and draws on the way: a part of the specification that its dump leaves out."""
        drawing = {"variant.nfe", "text_to_image.guidance_scale"} & self.unused()
        found: dict = {}
        for key in [*(f"variant.training.{name}" for name in WATCHING), *sorted(drawing)]:
            value = reduce(getattr, key.split("."), self)
            for part in reversed(key.split(".")):
                value = {part: value}
            found = merged(found, value)
        return found

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict:
        """A specification, and so its file and its hash, is what the weights depend on."""
        raw = handler(self)
        for *path, name in (key.split(".") for key in self.unused()):
            reduce(dict.get, path, raw).pop(name, None)
        return raw


def _check_text_to_image(spec: RunSpec) -> None:
    """A one-step student starts at the network's last timestep, as its export does."""
    variant, diffusion = spec.variant, spec.diffusion
    if spec.student is None:
        raise ValueError("text_to_image needs a 'student', the folder of a pipeline")
    if diffusion.spacing != "timesteps" or diffusion.student_sigma_max is not None:
        raise ValueError(
            "text_to_image needs diffusion.spacing 'timesteps' and no diffusion.student_sigma_max"
        )
    if variant.sampler == "few_step" and variant.nfe != 1:
        raise ValueError(f"text_to_image: students draw in one step; variant.nfe is {variant.nfe}")
    if variant.sampler == "heun":
        raise ValueError("text_to_image: many-step models draw with ddim; variant.sampler is heun")
    if spec.text_to_image.prior is not None and not variant.uses_prior:
        raise ValueError(f"method {variant.method} has no text_to_image.prior; leave it out")
    if spec.text_to_image.fake_score_weights is not None and not variant.has_fake_score:
        raise ValueError(
            f"method {variant.method} has no text_to_image.fake_score_weights; leave it out"
        )
    if spec.text_to_image.prior is not None and spec.text_to_image.prompts is None:
        raise ValueError("text_to_image.prior needs text_to_image.prompts")
