"""What pyproject.toml cannot say: an installed package has the workflow beside its modules."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

WORKFLOW = ("Snakefile", "config.yaml", "configs", "envs", "profiles", "workflow")


class WithWorkflow(build_py):
    """Copies the workflow to ``unidad/_workflow``, where `unidad.adapt.workflow` looks for it."""

    def run(self):
        """Everything but an editable installation, which has it anyway."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "unidad/_workflow"
        shutil.rmtree(target, ignore_errors=True)
        for name in WORKFLOW:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if Path(name).is_dir() else shutil.copy
            copy(name, target / name)


setup(cmdclass={"build_py": WithWorkflow})
