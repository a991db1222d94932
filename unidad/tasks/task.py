"""What a task is to the plan of an experiment, and to the workflow's rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from unidad.config.run import MethodSettings, RunSpec
from unidad.config.text_to_image import TextToImage
from unidad.shipped import shipped_origin
from unidad.tasks.plots import Plot
from unidad.tasks.rows import Row, Run

if TYPE_CHECKING:
    from unidad.experiment.config import Config
    from unidad.plan import Plan


class Task(ABC):
    """A kind of experiment: what it trains from, draws and measures.

    Args:
        plan: of an experiment of this kind; for the paths of its files.
    """

    name: ClassVar[str]
    """In `TASKS`, and in the specifications of rows."""
    title: ClassVar[str]
    """What it is called in messages."""
    unused_keys: ClassVar[tuple[str, ...]]
    """Keys of the configuration that are for other tasks; ``*`` stands for a name."""
    rules: ClassVar[tuple[str, ...]]
    """Files of workflow/rules/ that no other task needs."""
    plots: ClassVar[tuple[Plot, ...]]
    """Of the report, beside those of costs and of training."""
    papers: ClassVar[dict[str, str]]
    """Metric → heading of the papers' numbers in tables."""
    mean_of_targets: ClassVar[str | None] = None
    """What the mean over the targets is called in tables; None: there is none."""

    def __init__(self, plan: Plan):
        self.plan, self.config, self.root = plan, plan.config, plan.root

    @staticmethod
    @abstractmethod
    def about(features: str, papers: bool) -> str:
        """What a reader of the table should know.

        Args:
            features: the networks' label.
            papers: whether numbers of papers stand beside ours.
        """

    @staticmethod
    @abstractmethod
    def check(config: Config) -> None:
        """Refuse settings that are not for this task, or do not go together in it.

        Raises:
            ValueError: names the key.
        """

    @property
    @abstractmethod
    def measuring_networks(self) -> list[str]:
        """Folders of the networks that images are measured with."""

    @abstractmethod
    def controls(self, target: str, shots: int | None) -> list[Row]:
        """The rows of a target that no variant stands behind."""

    @abstractmethod
    def row_spec(self, row: Row) -> dict:
        """What `unidad evaluate` needs for a row, beside what all tasks have (`Plan.row_spec`)."""

    @abstractmethod
    def sample_count(self, row: Row) -> int:
        """How many images are drawn for a row; also of the controls, as a bound."""

    @abstractmethod
    def drawing_spec(self, images: str) -> str:
        """Path of the settings that an image set below the experiment's folder is drawn with."""

    @abstractmethod
    def drawing_specs(self) -> dict[str, dict]:
        """Path below the experiment's folder → settings that images are drawn with."""

    @abstractmethod
    def rendering(self, name: str) -> dict:
        """The settings that a rendered data set, of a target or of the source, is made with."""

    @abstractmethod
    def placed(self) -> dict[str, dict]:
        """Name of a model or network that is taken as it is → what `unidad place` reads."""

    @abstractmethod
    def trained_networks(self) -> dict[str, dict]:
        """Name of a network of the benchmark that is trained here → what its verb reads."""

    @abstractmethod
    def source_specs(self) -> dict[str, RunSpec]:
        """source_teacher, source_student → its training, where the configuration wants one.

        Raises:
            UserError: an unreadable or unfit specification.
        """

    @abstractmethod
    def given_models(self) -> dict[str, str]:
        """Key of the configuration → the model it names: a path, or shipped, train, published."""

    @abstractmethod
    def published_networks(self) -> list[str]:
        """Addresses, or names on the Hugging Face hub, of published networks that measure."""

    def resolved(self, run: Run, variant: MethodSettings) -> MethodSettings:
        """A variant's settings as they are for one run."""
        near = run.target in self.config.targets and self.config.targets[run.target].near
        return variant.for_target(near)

    def image_sets(self, run: Run) -> list[str]:
        """Every image set that a run reads."""
        return [self.plan.training_images(run.target, run.shots)]

    def text_to_image(self, run: Run, variant: MethodSettings) -> TextToImage | None:
        """Prompts and settings of a run whose networks read text."""
        return None

    def words(self) -> dict[str, str]:
        """Key of the configuration → words that the source teacher's tokenizer must know."""
        return {}

    def shown_prompts(self) -> dict[str, list[str]]:
        """Target → prompts of its images, without the rare token; empty where there are none."""
        return {}


def origin_of(given: str, folder: Path) -> dict[str, str]:
    """What `unidad place` reads of a configured model; ``shipped`` means this folder."""
    return {"origin": shipped_origin(folder) if given == "shipped" else given}
