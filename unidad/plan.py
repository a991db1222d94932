"""Pure: a configuration → data sets, training runs, table rows, and the paths of all of them.

The Snakefile asks this module what there is to do; nothing here touches a tensor, and the only
writing is `write_specs`, which leaves a file alone whose content is already right: its date is what
decides whether a training runs again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unidad.config.images import Archive, SourceData, Target
from unidad.config.run import SOURCE, SOURCE_TEACHER, MethodSettings, RunSpec, slug
from unidad.config.text_to_image import TextToImage
from unidad.experiment.config import Config
from unidad.files import atomic_file, local_path
from unidad.methods import METHODS, PRETRAINING
from unidad.methods.specs import run_spec

SOURCE_TEACHER_LABEL = "Source teacher"
SOURCE_STUDENT_LABEL = "Source student"
HELD_OUT_LABEL = "Held-out images"
TRAINING_LABEL = "Training images"
DOWNLOADS = "data/downloads"
"""Where downloaded archives lie: all experiments share them."""


@dataclass(frozen=True)
class Run:
    """One training: a variant on a target's shots with a seed; shots None is the source set."""

    target: str
    shots: int | None
    label: str
    seed: int

    @property
    def key(self) -> str:
        """Its part of every path: ``babies/shots10/uni-dad/seed0``, ``source/all/dmd2/seed0``."""
        return f"{self.target}/{shots_name(self.shots)}/{slug(self.label)}/seed{self.seed}"


@dataclass(frozen=True)
class Row:
    """One measured image set: a run at some nfe, or a control (run None).

    Paths are relative to the experiment's folder.
    """

    target: str
    shots: int | None
    label: str
    nfe: int | None
    images: str
    run: Run | None = None

    @property
    def metrics(self) -> str:
        """Where its metrics go."""
        if self.run is not None:
            return f"metrics/{self.run.key}/nfe{self.nfe}.json"
        return f"metrics/{self.target}/{shots_name(self.shots)}/{slug(self.label)}.json"


class Plan:
    """What an experiment consists of."""

    def __init__(self, config: Config, results: str = "results"):
        self.config = config
        self.root = f"{results}/{config.experiment}"

    def runs(self) -> list[Run]:
        """Every training, in an order in which each comes after those it starts from."""
        ordered: dict[Run, None] = {}
        for run in self._table_runs():
            self._add(run, ordered)
        return list(ordered)

    def table_targets(self) -> list[tuple[str, int | None]]:
        """(target, shots) of each block of the table; the source where a variant trains on it."""
        blocks: list[tuple[str, int | None]] = [
            (target, shots) for target in self.config.targets for shots in self.config.shots
        ]
        on_source = any(variant.domain == SOURCE for variant in self.config.variants.values())
        return [*blocks, (SOURCE, None)] if on_source else blocks

    def rows(self) -> list[Row]:
        """Every metrics file of the report: controls first, then variants in their order."""
        rows = [
            row for target, shots in self.table_targets() for row in self._controls(target, shots)
        ]
        for run in self._table_runs():
            variant = self.config.variants[run.label]
            for nfe in dict.fromkeys((variant.nfe, *variant.extra_nfe)):
                images = f"samples/{run.key}/nfe{nfe}.npz"
                rows.append(Row(run.target, run.shots, run.label, nfe, images, run))
        return rows

    def source_models(self, run: Run) -> list[str]:
        """Folders of the source's models that a run starts from or is taught by."""
        return [self.source_teacher]

    def dependencies(self, run: Run) -> dict[str, Run]:
        """Key (student, teacher, target_teacher) → the run whose model it takes."""
        return {
            key: self._on_domain(label, run.target, run.shots, run.seed)
            for key, label in self.config.variants[run.label].labels().items()
        }

    def spec(self, run: Run) -> RunSpec:
        """The resolved run specification; paths start at the working directory.

        Raises:
            UserError: settings that do not go together, such as a text-to-image student of several
                steps.
        """
        variant = self._resolved(run)
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
            "text_to_image": self._text_to_image(run),
        }
        return run_spec(settings | models, f"variants.{run.label}")

    def source_specs(self) -> dict[str, RunSpec]:
        """source_teacher, source_student → its training, where the configuration wants one."""
        trained = self.config.source_teacher == "train"
        return {SOURCE_TEACHER: self._source_spec()} if trained else {}

    def _source_spec(self) -> RunSpec:
        """The denoising loss, from a fresh network."""
        settings = METHODS[PRETRAINING].Settings
        return RunSpec[settings](
            target=SOURCE,
            shots=None,
            label=SOURCE_TEACHER_LABEL,
            seed=self.config.data_seed,
            data=f"{self.root}/data/source/train.npz",
            student=None,
            resolution=self.config.resolution,
            network=self.config.network,
            diffusion=self.config.diffusion,
            variant=settings(
                method=PRETRAINING,
                nfe=self.config.evaluation.source_nfe,
                domain=SOURCE,
                training=self.config.source_training,
            ),
        )

    def row_spec(self, row: Row) -> dict:
        """All that `unidad evaluate` needs for one metrics file: what it is, and the paths."""
        variant = self.config.variants.get(row.label)
        training = self.training_images(row.target, row.shots)
        reference = f"{self.root}/data/{row.target}/reference.npz"
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
            "domain": self._domain(row.target),
            "network": self.feature_network,
            "images": f"{self.root}/{row.images}",
            "features": self.features(f"{self.root}/{row.images}"),
            "reference_features": (
                self.features(reference) if self.has_reference(row.target) else None
            ),
            "training_images": training,
            "training_features": self.features(training),
            "intra_lpips": self.config.intra_lpips.model_dump(),
            "sampling": f"{self.root}/{row.images}".replace(".npz", ".json")
            if row.images.startswith("samples/")
            else None,
            "training": [f"{self.root}/runs/{run.key}/training.json" for run in trained],
            "snapshots": f"{self.root}/runs/{followed}/snapshots" if followed else None,
            "trajectory": f"{self.root}/trajectories/{followed}.json" if followed else None,
        }

    def sample_count(self, row: Row) -> int:
        """How many images are drawn for a row; also of the controls, as a bound."""
        return self.config.evaluation.samples

    def followed_run(self, row: Row) -> str | None:
        """The run whose snapshots belong to the row: its own, at the NFE it was trained for.

        None where it keeps no snapshots, or is not trained here.
        """
        if row.run is not None:
            variant = self.config.variants[row.label]
            followed = row.nfe == variant.nfe and variant.training.snapshots
            return row.run.key if followed else None
        trained = row.label == SOURCE_TEACHER_LABEL and self.config.source_teacher == "train"
        followed = trained and row.target == SOURCE and self.config.source_training.snapshots
        return "source_teacher" if followed else None

    def waiting(self, run: Run) -> int:
        """How many runs follow one another after this one: longer chains had better start first."""
        direct = [other for other in self.runs() if run in self.dependencies(other).values()]
        return max((1 + self.waiting(other) for other in direct), default=0)

    def lineage(self, run: Run) -> list[Run]:
        """The run itself, then every run that it builds on: what its model cost to train."""
        ordered: dict[Run, None] = {}
        self._add(run, ordered)
        return list(ordered)[::-1]

    def features(self, images: str) -> str:
        """Where the features of an image set lie."""
        return f"{self.root}/features/{images.removeprefix(self.root + '/')}"

    def shown_prompts(self) -> dict[str, list[str]]:
        """Target → prompts of its images, without the rare token; empty where there are none."""
        return {}

    def settings(self, images: str) -> str:
        """The settings that an image set below the experiment's folder is drawn with."""
        return f"{self.root}/specs/evaluation.json"

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

    @property
    def measuring_networks(self) -> list[str]:
        """Folders of the networks that images are measured with."""
        return [self.feature_network]

    @property
    def feature_network(self) -> str:
        """The feature network's folder."""
        return f"{self.root}/models/feature_network"

    def model(self, run: Run) -> str:
        """A run's model folder."""
        return f"{self.root}/runs/{run.key}/model"

    def training_images(self, target: str, shots: int | None) -> str:
        """The image set that a run trains on."""
        return f"{self.root}/data/{target}/{'train' if shots is None else f'shots{shots}'}.npz"

    def image_sets(self, run: Run) -> list[str]:
        """Every image set that a run reads."""
        return [self.training_images(run.target, run.shots)]

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
            **self._evaluation_specs(),
            **self._model_specs(),
            **{f"specs/data/{name}.json": self._data_spec(name) for name in self.data_sets},
            **{
                f"specs/originals/{name}/{key}.json": self._archive_spec(archive)
                for (name, key), archive in self.archives.items()
            },
        }
        texts = {path: json.dumps(value, indent=2) for path, value in contents.items()}
        texts["specs/config.json"] = config.model_dump_json(indent=2)
        for role, spec in self.source_specs().items():
            texts[f"specs/runs/{role}.json"] = spec.model_dump_json(indent=2)
        for run in self.runs():
            texts[f"specs/runs/{run.key}.json"] = self.spec(run).model_dump_json(indent=2)
        for row in self.rows():
            texts[f"specs/{row.metrics}"] = json.dumps(self.row_spec(row), indent=2)
        return {f"{root}/{path}": text + "\n" for path, text in texts.items()}

    def _data_spec(self, name: str) -> dict:
        """What `unidad prepare` reads."""
        config, described = self.config, self.described(name)
        if described.folder is not None:
            return self._own_images(name)
        if name == SOURCE:
            own = {"domain": "faces", **described.model_dump(exclude={"folder", "reference"})}
        else:
            own = {"domain": described.domain, "shots": config.shots}
        common = {"resolution": config.resolution, "seed": config.data_seed}
        return common | own | {"reference_images": config.evaluation.reference_images}

    def _own_images(self, name: str) -> dict:
        described = self.described(name)
        own = {key: self.originals(name, key) for key in ("folder", "reference")}
        own = {key: folder for key, folder in own.items() if folder is not None}
        if getattr(described, "shots_in_reference", "refuse") == "drop":
            own["shots_in_reference"] = "drop"
        size = {"images": described.images} if name == SOURCE else {"shots": self.config.shots}
        return {"resolution": self.config.resolution} | own | size

    def _archive_spec(self, archive: Archive) -> dict:
        """What `unidad unpack` reads; the hash of a download was checked when it came."""
        return {
            "archive": self.archive_file(archive),
            "sha256": None if archive.is_remote else archive.sha256,
            "inside": archive.inside,
        }

    def _domain(self, name: str) -> str | None:
        """The synthetic domain; None for images of one's own."""
        if name == SOURCE:
            return "faces" if self.config.source.folder is None else None
        return self.config.targets[name].domain

    def _model_specs(self) -> dict[str, dict]:
        config = self.config
        return {
            "specs/models/source_teacher.json": {"source_teacher": config.source_teacher},
            "specs/models/feature_network.json": {
                "feature_network": config.feature_network,
                "published_features": config.published_features.model_dump(),
            },
        }

    def _evaluation_specs(self) -> dict[str, dict]:
        return {"specs/evaluation.json": self.config.evaluation.model_dump()}

    def _text_to_image(self, run: Run) -> TextToImage | None:
        return None

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

    def _table_runs(self) -> Iterator[Run]:
        config = self.config
        for target, shots in self.table_targets():
            for label, variant in config.variants.items():
                if (variant.domain == SOURCE) == (target == SOURCE):
                    yield from (Run(target, shots, label, seed) for seed in config.seeds)

    def _add(self, run: Run, ordered: dict[Run, None]) -> None:
        for needed in self.dependencies(run).values():
            self._add(needed, ordered)
        ordered[run] = None

    def _on_domain(self, label: str, target: str, shots: int | None, seed: int) -> Run:
        if self.config.variants[label].domain == SOURCE:
            return Run(SOURCE, None, label, seed)
        return Run(target, shots, label, seed)

    def _resolved(self, run: Run) -> MethodSettings:
        """The variant's settings for the run's target."""
        near = run.target in self.config.targets and self.config.targets[run.target].near
        return self.config.variants[run.label].for_target(near)

    def _controls(self, target: str, shots: int | None) -> list[Row]:
        nfe = self.config.evaluation.source_nfe
        rows = [
            Row(
                target,
                shots,
                SOURCE_TEACHER_LABEL,
                nfe,
                f"samples/source/source-teacher/nfe{nfe}.npz",
            )
        ]
        if self.described(target).folder is None:
            rows.append(Row(target, shots, HELD_OUT_LABEL, None, f"data/{target}/held_out.npz"))
        if shots is not None:
            rows.append(Row(target, shots, TRAINING_LABEL, None, f"data/{target}/shots{shots}.npz"))
        return rows


def shots_name(shots: int | None) -> str:
    """``shots10``, or ``all`` for the source set."""
    return "all" if shots is None else f"shots{shots}"
