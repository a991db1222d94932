"""The user's experiment."""

from __future__ import annotations

from typing import Annotated, Literal, Self, Union

from pydantic import Field, model_validator

from unidad.config import names
from unidad.config.diffusion import Diffusion, Network
from unidad.config.distillation import Distillation
from unidad.config.evaluation import Evaluation, IntraLpips, PublishedFeatures
from unidad.config.images import SourceData, Target
from unidad.config.names import SOURCE
from unidad.config.section import DISTINCT, NUMBER, Images, Name, Section, Seed, Text
from unidad.config.tables import TableView
from unidad.config.training import Training
from unidad.experiment import checks
from unidad.experiment.personalisation import Personalisation
from unidad.experiment.tables import check_tables
from unidad.methods import METHODS
from unidad.plugins import load_plugins
from unidad.tasks import TASKS

load_plugins()
AnyMethod = Annotated[
    Union[tuple(method.Settings for method in METHODS.values())],  # noqa: UP007
    Field(discriminator="method"),
]


class Config(Section):
    """An experiment."""

    experiment: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=names.LONGEST)
    ]
    """Its name: results go to results/<experiment>/."""
    protocol: Literal["paper", "released"] | None = None
    """Take every option in which the Uni-DAD paper and its released code differ from the one or the
    other; keys given beside it, and rows' own, come first. What it sets: docs/paper.md."""
    resolution: Annotated[int, Field(ge=16, le=512, multiple_of=16), NUMBER] = 32
    """Of all images, in pixels; rendered ones have at most 128."""
    data_seed: Seed = 0
    """Seed of the synthetic data."""
    source: SourceData = SourceData()
    """The source domain."""
    source_teacher: Text = "shipped"
    """shipped, train, the path of a model folder (unet/, scheduler/), or of an unconditional
    guided-diffusion checkpoint (.pt, .safetensors), which is imported."""
    source_student: Text = "shipped"
    """The few-step student distilled from the source teacher: shipped, the path of a pipeline
    folder, or (personalisation) train."""
    source_training: Training = Training()
    """How the source teacher is trained where source_teacher is train (personalisation: see
    scene_models)."""
    feature_network: Text = "shipped"
    """shipped, train, published (Inception and LPIPS), photo (EfficientNet-Lite0, trained on
    ImageNet; of the extra unidad[photo]), or the path of a folder that `unidad train-features`
    wrote. In personalisation the networks of the protocol synthetic:
    shipped, or train."""
    published_features: PublishedFeatures = PublishedFeatures()
    """Which, where feature_network is published."""
    intra_lpips: IntraLpips = IntraLpips()
    """How Intra-LPIPS counts."""
    network: Network = Network()
    """The source teacher's architecture where it is trained."""
    diffusion: Diffusion = Diffusion()
    """The noise process."""
    training: Training = Training()
    """Defaults of every variant's training."""
    distillation: Distillation = Distillation()
    """Defaults of every variant's distillation."""
    targets: Annotated[dict[str, Target], Field(min_length=1)]
    """Target domains by name."""
    shots: Annotated[tuple[Images, ...], Field(min_length=1), DISTINCT] = (10,)
    """Numbers of training images."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), DISTINCT] = (0,)
    """Training seeds; the table's mean and standard deviation go over them."""
    variants: Annotated[dict[str, AnyMethod], Field(min_length=1)]
    """Rows of the table: label → method and settings."""
    tables: dict[Name, TableView] = Field(default_factory=dict)
    """Tables of their own over these rows: tables/<name>.{md,csv,tex,html}. Where there are some,
    what none of them shows, and nothing shown starts from, is not trained."""
    evaluation: Evaluation = Evaluation()
    """Sampling and metrics."""
    personalisation: Personalisation | None = None
    """The targets are subjects, the networks text-to-image models; null: domains and unconditional
    networks."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names.check_targets(self.targets)
        names.check_labels(self.variants)
        for label, variant in self.variants.items():
            checks.check_origins(label, variant, self.variants)
        TASKS[self.task].check(self)
        checks.check_rendered(self)
        checks.check_shots_files(self)
        check_tables(self)
        return self

    @property
    def task(self) -> str:
        """Which of `TASKS` this is."""
        return "generation" if self.personalisation is None else "personalisation"

    @property
    def uses_source_images(self) -> bool:
        """Whether anything is trained on images of the source domain."""
        on_source = any(variant.domain == SOURCE for variant in self.variants.values())
        return on_source or "train" in (self.source_teacher, self.source_student)
