"""Pure: a configuration → data sets, training runs, table rows, and the paths of all of them.

The Snakefile asks this module what there is to do; nothing here touches a tensor, and the only
writing is `write_specs`, which leaves a file alone whose content is already right: its date is what
decides whether a training runs again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

from unidad.config.images import Archive, SourceData, Target
from unidad.config.names import ORIGINS, SOURCE, SOURCE_TEACHER, SOURCE_TEACHER_LABEL
from unidad.config.run import MethodSettings, RunSpec
from unidad.experiment.config import Config
from unidad.experiment.tables import Shown, shown_runs
from unidad.files import atomic_file, local_path
from unidad.methods.specs import run_spec
from unidad.tasks import TASKS
from unidad.tasks.rows import Row, Run

DOWNLOADS = "data/downloads"
"""Where downloaded archives lie: all experiments share them."""


class Plan:
    """What an experiment consists of.

    Attributes:
        task: answers what depends on the kind of the experiment.
    """

    def __init__(self, config: Config, results: str = "results"):
        self.config = config
        self.root = f"{results}/{config.experiment}"
        self.task = TASKS[config.task](self)
        self._shown = shown_runs(config)

    def runs(self) -> list[Run]:
        """Every training, in an order in which each comes after those it starts from."""
        ordered: dict[Run, None] = {}
        for run in self._table_runs():
            self._add(run, ordered)
        return list(ordered)

    def table_targets(self) -> list[tuple[str, int | None]]:
        """(target, shots) of each block of the table; the source where a variant trains on it.

        Where the experiment has tables of its own, those that one of them shows.
        """
        blocks: list[tuple[str, int | None]] = [
            (target, shots) for target in self.config.targets for shots in self.config.shots
        ]
        if self._shown is not None:
            shown = {(run.target, run.shots) for run in self._shown}
            return [block for block in blocks if block in shown]
        on_source = any(variant.domain == SOURCE for variant in self.config.variants.values())
        return [*blocks, (SOURCE, None)] if on_source else blocks

    def rows(self) -> list[Row]:
        """Every metrics file of the report: controls first, then variants in their order."""
        rows = [
            row
            for target, shots in self.table_targets()
            for row in self.task.controls(target, shots)
        ]
        for run in self._table_runs():
            variant = self.config.variants[run.label]
            for nfe in dict.fromkeys((variant.nfe, *variant.extra_nfe)):
                images = f"samples/{run.key}/nfe{nfe}.npz"
                rows.append(Row(run.target, run.shots, run.label, nfe, images, run))
        return rows

    def dependencies(self, run: Run) -> dict[str, Run]:
        """Key (student, teacher, target_teacher) → the run whose model it takes."""
        return {
            key: self._on_domain(label, run.target, run.shots, run.seed)
            for key, label in self.config.variants[run.label].labels().items()
        }

    def spec(self, run: Run) -> RunSpec:
        """The resolved run specification; paths start at the working directory.

        Raises:
            UserError: settings that do not go together.
        """
        variant = self._variant(run)
        taken = self.dependencies(run)
        models = {
            role: self.model(taken[role]) if role in taken else self.source_model(label)
            for role, label in variant.origins().items()
        }
        settings = {
            "target": run.target,
            "shots": run.shots,
            "label": run.label,
            "seed": run.seed,
            "data": self.training_images(run.target, run.shots),
            "resolution": self.config.resolution,
            "network": self.config.network,
            "diffusion": self.config.diffusion,
            "variant": variant,
            "text_to_image": self.task.text_to_image(run, variant),
        }
        return run_spec(settings | models, f"variants.{run.label}")

    def row_spec(self, row: Row) -> dict:
        """All that `unidad evaluate` needs for one metrics file: what it is, and the paths."""
        variant = self.config.variants.get(row.label)
        training = self.training_images(row.target, row.shots)
        trained = [] if row.run is None else self.lineage(row.run)
        followed = self.followed_run(row)
        return {
            "run": {
                "experiment": self.config.experiment,
                "target": row.target,
                "shots": row.shots,
                "variant": row.label,
                "method": variant.method if variant else None,
                "nfe": row.nfe,
                "trained_nfe": variant.nfe if variant else row.nfe,
                "seed": row.run.seed if row.run else None,
            },
            "task": self.task.name,
            "networks": self.task.measuring_networks,
            "images": f"{self.root}/{row.images}",
            "features": self.features(f"{self.root}/{row.images}"),
            "training_images": training,
            "training_features": self.features(training),
            "sampling": f"{self.root}/{row.images}".replace(".npz", ".json")
            if row.images.startswith("samples/")
            else None,
            "training": [f"{self.root}/runs/{run.key}/training.json" for run in trained],
            "snapshots": f"{self.root}/runs/{followed}/snapshots" if followed else None,
            "drawing": self.task.drawing_spec(row.images) if followed else None,
            "trajectory": f"{self.root}/trajectories/{followed}.json" if followed else None,
            **self.task.row_spec(row),
        }

    def followed_run(self, row: Row) -> str | None:
        """The run whose snapshots belong to the row: its own, at the NFE it was trained for.

        None where it keeps no snapshots, or is not trained here.
        """
        if row.run is not None:
            variant = self.config.variants[row.label]
            followed = row.nfe == variant.nfe and variant.training.snapshots
            return row.run.key if followed else None
        if row.label != SOURCE_TEACHER_LABEL or row.target != SOURCE:
            return None
        spec = self.task.source_specs().get(SOURCE_TEACHER)
        return SOURCE_TEACHER if spec is not None and spec.variant.training.snapshots else None

    def waiting(self, run: Run) -> int:
        """How many runs follow one another after this one: longer chains had better start first."""
        direct = [other for other in self.runs() if run in self.dependencies(other).values()]
        return max((1 + self.waiting(other) for other in direct), default=0)

    def lineage(self, run: Run) -> list[Run]:
        """The run itself, then every run that it builds on: what its model cost to train."""
        ordered: dict[Run, None] = {}
        self._add(run, ordered)
        return list(ordered)[::-1]

    def source_models(self, run: Run) -> list[str]:
        """Folders of the source's models that a run starts from or is taught by, or sees with."""
        variant = self._variant(run)
        used = variant.origins().values()
        seen_with = variant.frozen_features.values()
        return [
            *(self.source_model(name) for name in ORIGINS if name in used),
            *(folder for folder in seen_with if folder.startswith(f"{self.root}/")),
        ]

    def features(self, images: str) -> str:
        """Where the features of an image set lie."""
        return f"{self.root}/features/{images.removeprefix(self.root + '/')}"

    def source_model(self, name: str) -> str:
        """Model folder of source_teacher, or of source_student."""
        return f"{self.root}/models/{name}"

    @property
    def data_sets(self) -> list[str]:
        """Names of the data folders: the source, if anything is trained on it, and every target."""
        used = [SOURCE] if self.config.uses_source_images else []
        return [*used, *self.config.targets]

    @property
    def source_teacher(self) -> str:
        """The source teacher's model folder."""
        return self.source_model(SOURCE_TEACHER)

    def model(self, run: Run) -> str:
        """A run's model folder."""
        return f"{self.root}/runs/{run.key}/model"

    def training_images(self, target: str, shots: int | None) -> str:
        """The image set that a run trains on."""
        return f"{self.root}/data/{target}/{'train' if shots is None else f'shots{shots}'}.npz"

    def has_reference(self, target: str) -> bool:
        """Whether the target, or the source, has held-out images to measure against."""
        described = self.described(target)
        return described.folder is None or described.reference is not None

    def described(self, name: str) -> SourceData | Target:
        """What the configuration says of the source or of a target."""
        return self.config.source if name == SOURCE else self.config.targets[name]

    @property
    def archives(self) -> dict[tuple[str, str], Archive]:
        """(data set, ``folder`` or ``reference``) → the archive that these images come in."""
        found = {}
        for name in self.data_sets:
            described = self.described(name)
            found[name, "folder"] = described.folder
            if described.reference != described.folder:
                found[name, "reference"] = described.reference
        return {place: origin for place, origin in found.items() if isinstance(origin, Archive)}

    def archive_file(self, archive: Archive) -> str:
        """Where an archive lies, or will lie once it is downloaded: under its hash."""
        if archive.is_remote:
            return f"{DOWNLOADS}/{archive.sha256.lower()[:16]}"
        return str(local_path(archive.url))

    def originals(self, name: str, key: str) -> str | None:
        """The folder of a data set's own images, or of its held-out ones; None for rendered ones.

        Args:
            name: of the data set.
            key: ``folder`` or ``reference``; one archive given for both is one folder.
        """
        described = self.described(name)
        origin = getattr(described, key)
        if not isinstance(origin, Archive):
            return origin
        place = "folder" if origin == described.folder else key
        return f"{self.root}/originals/{name}/{place}"

    def specs(self) -> dict[str, str]:
        """Path → JSON of every specification that a rule depends on."""
        config, root = self.config, self.root
        contents = {
            **self.task.drawing_specs(),
            **{
                f"specs/models/{name}.json": spec
                for name, spec in (self.task.placed() | self.task.trained_networks()).items()
            },
            **{f"specs/data/{name}.json": self._data_spec(name) for name in self.data_sets},
            **{
                f"specs/originals/{name}/{key}.json": self._archive_spec(archive)
                for (name, key), archive in self.archives.items()
            },
        }
        texts = {path: json.dumps(value, indent=2) for path, value in contents.items()}
        texts["specs/config.json"] = config.model_dump_json(indent=2, exclude_unset=True)
        trained = self.task.source_specs() | {run.key: self.spec(run) for run in self.runs()}
        for name, spec in trained.items():
            texts[f"specs/runs/{name}.json"] = spec.model_dump_json(indent=2)
            texts[f"specs/watching/{name}.json"] = json.dumps(spec.watching(), indent=2)
        for row in self.rows():
            texts[f"specs/{row.metrics}"] = json.dumps(self.row_spec(row), indent=2)
        return {f"{root}/{path}": text + "\n" for path, text in texts.items()}

    def _data_spec(self, name: str) -> dict:
        """What `unidad prepare` reads: of a folder of one's own, or of a rendered one."""
        described = self.described(name)
        if described.folder is None:
            return self.task.rendering(name)
        own = {key: self.originals(name, key) for key in ("folder", "reference")}
        own = {key: folder for key, folder in own.items() if folder is not None}
        if getattr(described, "shots_in_reference", "refuse") == "drop":
            own["shots_in_reference"] = "drop"
        if (names := getattr(described, "shots_files", None)) is not None:
            own["shots_files"] = names
        if getattr(described, "crop", "centre") != "centre":
            own["crop"] = described.crop
        size = {"images": described.images} if name == SOURCE else {"shots": self.config.shots}
        return {"resolution": self.config.resolution} | own | size

    def _archive_spec(self, archive: Archive) -> dict:
        """What `unidad unpack` reads; the hash of a download was checked when it came."""
        return {
            "archive": self.archive_file(archive),
            "sha256": None if archive.is_remote else archive.sha256,
            "inside": archive.inside,
        }

    def write_specs(self) -> list[str]:
        """Write every specification whose content changed; returns the paths written."""
        written = []
        for path, text in self.specs().items():
            file = Path(path)
            if file.exists() and file.read_text() == text:
                continue
            with atomic_file(file) as partial:
                partial.write_text(text)
            written.append(path)
        return written

    def _variant(self, run: Run) -> MethodSettings:
        """A variant's settings as they are for one run."""
        return self.task.resolved(run, self.config.variants[run.label])

    def _table_runs(self) -> Iterator[Run]:
        config = self.config
        for target, shots in self.table_targets():
            for label, variant in config.variants.items():
                if (variant.domain == SOURCE) == (target == SOURCE):
                    runs = (Run(target, shots, label, seed) for seed in config.seeds)
                    yield from filter(self._is_shown, runs)

    def _is_shown(self, run: Run) -> bool:
        return self._shown is None or Shown(*astuple(run)) in self._shown

    def _add(self, run: Run, ordered: dict[Run, None]) -> None:
        for needed in self.dependencies(run).values():
            self._add(needed, ordered)
        ordered[run] = None

    def _on_domain(self, label: str, target: str, shots: int | None, seed: int) -> Run:
        if self.config.variants[label].domain == SOURCE:
            return Run(SOURCE, None, label, seed)
        return Run(target, shots, label, seed)
