"""What can be done: tasks behind one protocol (`unidad.tasks.task.Task`)."""

from __future__ import annotations

from unidad.tasks.generation import Generation
from unidad.tasks.personalisation import Personalisation
from unidad.tasks.task import Task

TASKS: dict[str, type[Task]] = {"generation": Generation, "personalisation": Personalisation}
