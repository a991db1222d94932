"""What distilling a frozen teacher along its own trajectories needs, whatever the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from torch import nn

from unidad.config.names import SOURCE_TEACHER
from unidad.config.run import FewStepSettings, RunSpec
from unidad.methods.base import Method
from unidad.networks.backbone import Backbone
from unidad.networks.conditions import Captions, Prompts

if TYPE_CHECKING:
    from unidad.networks.models import Models


class OneTeacherSettings(FewStepSettings):
    """Of a student that follows one teacher's steps."""

    teacher: str = SOURCE_TEACHER
    """The teacher: source_teacher or `<label>`."""
    solver: Literal["ddim", "heun"] = "ddim"
    """The teacher's step: of one evaluation, or of two, which bears a larger one."""

    def origins(self) -> dict[str, str]:
        """Role → whose weights it has; see `MethodSettings`."""
        return super().origins() | {"teacher": self.teacher}


class OneTeacher(Method):
    """A student and a frozen teacher.

    Args:
        spec: the run.
        student: x0 prediction.
        teacher: of many steps; under guidance where there are prompts, which the student takes in.
        conditions: embeddings of the prompts or captions; None for unconditional networks.
    """

    Settings = OneTeacherSettings
    groups = {"student": ("student",)}  # noqa: RUF012

    def __init__(
        self,
        spec: RunSpec[OneTeacherSettings],
        student: Backbone,
        teacher: Backbone,
        conditions: Prompts | Captions | None = None,
    ):
        super().__init__(spec, student, conditions)
        self.options = spec.variant
        self.teacher = teacher.requires_grad_(False)
        self.networks = nn.ModuleDict({"student": student})

    @classmethod
    def build(cls, spec: RunSpec[OneTeacherSettings], models: Models) -> Self:
        """The student and the teacher."""
        conditions = models.conditions()
        student = models.student()
        teacher = models.teacher(student)
        return cls(spec, models.adapted(student), teacher, conditions)
