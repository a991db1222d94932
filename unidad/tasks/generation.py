"""Few-shot generation: from ten images of a domain to a model of it, without a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from unidad.config.names import (
    HELD_OUT_LABEL,
    SOURCE,
    SOURCE_STUDENT,
    SOURCE_STUDENT_LABEL,
    SOURCE_TEACHER,
    SOURCE_TEACHER_LABEL,
    TRAINING_LABEL,
    slug,
)
from unidad.config.run import RunSpec
from unidad.methods import METHODS, PRETRAINING
from unidad.models.recipes import is_checkpoint
from unidad.shipped import (
    SHIPPED_FEATURE_NETWORK,
    SHIPPED_SOURCE_STUDENT,
    SHIPPED_SOURCE_TEACHER,
)
from unidad.tasks.plots import MINUTES, NFE, UPDATES, Plot
from unidad.tasks.rows import Row
from unidad.tasks.task import Task, origin_of

if TYPE_CHECKING:
    from unidad.experiment.config import Config

FEATURE_NETWORK = "feature_network"


class Generation(Task):
    """Targets are domains, the networks unconditional."""

    title: ClassVar = "few-shot generation"
    unused_keys: ClassVar = ("targets.*.live", "targets.*.word_start")
    rules: ClassVar = ("faces",)
    plots: ClassVar = (
        Plot("quality_nfe", "frechet_distance", NFE, logarithmic=True),
        Plot("quality_diversity", "frechet_distance", "intra_lpips", logarithmic=True),
        Plot("quality_updates", "frechet_distance", UPDATES, logarithmic=True),
        Plot("quality_minutes", "frechet_distance", MINUTES, logarithmic=True),
        Plot("quality_copies", "frechet_distance", "memorisation", True, on_the_way=True),
    )
    papers: ClassVar = {
        "frechet_distance": "paper FID (Inception, FFHQ 256²)",
        "intra_lpips": "paper Intra-LPIPS (VGG, FFHQ 256²)",
    }
    name: ClassVar = "generation"

    @staticmethod
    def about(features: str, papers: bool) -> str:
        """FD is FID with published features alone."""
        about = (
            "FD (Fréchet distance), KD (kernel distance) and Intra-LPIPS are measured on "
            f"{features}."
        )
        if not papers:
            return about
        about += (
            " The paper's columns are its authors' numbers on photographs at 256×256, "
            "with Inception and VGG features: they "
        )
        if features.startswith("inception-"):
            return about + (
                "compare with ours, whose FD is then the FID, where data sets, resolution and "
                "numbers of images are the paper's, too."
            )
        return about + "stand here for orientation and are not comparable with ours."

    @staticmethod
    def check(config: Config) -> None:
        """Refuse subjects, what starts from or learns with a text-to-image model, its levels."""
        for name, target in config.targets.items():
            if target.subject is not None or target.class_word is not None:
                raise ValueError(f"targets.{name}: a subject needs the section 'personalisation'")
        for label, variant in config.variants.items():
            if variant.needs_prompts:
                raise ValueError(
                    f"variants.{label}: method {variant.method} needs the section 'personalisation'"
                )
        _check_student(config)
        if config.diffusion.spacing == "timesteps":
            raise ValueError(
                "diffusion.spacing: timesteps are for the section 'personalisation'; few-shot "
                "generation trains on karras or lognormal levels"
            )
        config.diffusion.student_range(config.resolution)
        if config.source_teacher == "train":
            config.network.check(config.resolution)

    @property
    def _uses_student(self) -> bool:
        """Whether a row starts from the source teacher's distilled student."""
        return _uses_student(self.config)

    @property
    def feature_network(self) -> str:
        """Folder of the network whose features are compared."""
        return f"{self.root}/models/{FEATURE_NETWORK}"

    @property
    def measuring_networks(self) -> list[str]:
        """Folder of the feature network."""
        return [self.feature_network]

    def controls(self, target: str, shots: int | None) -> list[Row]:
        """Images of the source's models, and true ones."""
        drawn = {SOURCE_TEACHER_LABEL: self.config.evaluation.source_nfe}
        if self._uses_student:
            drawn[SOURCE_STUDENT_LABEL] = self.config.evaluation.source_student_nfe
        rows = [
            Row(target, shots, label, nfe, f"samples/source/{slug(label)}/nfe{nfe}.npz")
            for label, nfe in drawn.items()
        ]
        if self.plan.described(target).is_rendered:
            rows.append(Row(target, shots, HELD_OUT_LABEL, None, f"data/{target}/held_out.npz"))
        if shots is not None:
            rows.append(Row(target, shots, TRAINING_LABEL, None, f"data/{target}/shots{shots}.npz"))
        return rows

    def row_spec(self, row: Row) -> dict:
        """Images and features to compare, and how Intra-LPIPS counts."""
        plan, reference = self.plan, f"{self.root}/data/{row.target}/reference.npz"
        measured = plan.has_reference(row.target)
        return {
            "domain": self._domain(row.target),
            "reference_images": reference if measured else None,
            "reference_features": plan.features(reference) if measured else None,
            "intra_lpips": self.config.intra_lpips.model_dump(),
        }

    def sample_count(self, row: Row) -> int:
        """The same for every row."""
        return self.config.evaluation.samples

    def drawing_spec(self, images: str) -> str:
        """The same for all images."""
        return f"{self.root}/specs/evaluation.json"

    def drawing_specs(self) -> dict[str, dict]:
        """The section `evaluation`."""
        return {"specs/evaluation.json": self.config.evaluation.model_dump()}

    def rendering(self, name: str) -> dict:
        """Faces, or a domain of the embedded benchmark, or the photographs of ``lfw``."""
        config, described = self.config, self.plan.described(name)
        if name == SOURCE:
            own = {"domain": "faces", **described.model_dump(exclude={"folder", "reference"})}
        else:
            own = {"domain": described.domain, "shots": config.shots}
        if not described.is_rendered:
            return own | {"resolution": config.resolution}
        common = {"resolution": config.resolution, "seed": config.data_seed}
        return common | own | {"reference_images": config.evaluation.reference_images}

    def placed(self) -> dict[str, dict]:
        """The source's models and the feature network."""
        config = self.config
        placed = {
            SOURCE_TEACHER: origin_of(config.source_teacher, SHIPPED_SOURCE_TEACHER),
            FEATURE_NETWORK: origin_of(config.feature_network, SHIPPED_FEATURE_NETWORK),
        }
        if self._uses_student:
            placed[SOURCE_STUDENT] = origin_of(config.source_student, SHIPPED_SOURCE_STUDENT)
        if is_checkpoint(config.source_teacher):
            placed[SOURCE_TEACHER]["resolution"] = config.resolution
        if config.feature_network == "published":
            placed[FEATURE_NETWORK] |= config.published_features.model_dump()
        return {name: spec for name, spec in placed.items() if spec["origin"] != "train"}

    def trained_networks(self) -> dict[str, dict]:
        """The feature network, as the shipped one was."""
        return {FEATURE_NETWORK: {}} if self.config.feature_network == "train" else {}

    def source_specs(self) -> dict[str, RunSpec]:
        """The denoising loss on the source set, from a fresh network."""
        if self.config.source_teacher != "train":
            return {}
        settings = METHODS[PRETRAINING].Settings
        spec = RunSpec[settings](
            target=SOURCE,
            shots=None,
            label=SOURCE_TEACHER_LABEL,
            seed=self.config.data_seed,
            data=self.plan.training_images(SOURCE, None),
            student=None,
            resolution=self.config.resolution,
            network=self.config.network,
            diffusion=self.config.diffusion,
            variant=settings(
                method=PRETRAINING,
                nfe=self.config.evaluation.source_nfe,
                sampler=self.config.evaluation.source_sampler,
                domain=SOURCE,
                training=self.config.source_training,
            ),
        )
        return {SOURCE_TEACHER: spec}

    def given_models(self) -> dict[str, str]:
        """The source's models and the feature network."""
        keys = [
            "source_teacher",
            *(["source_student"] if self._uses_student else []),
            FEATURE_NETWORK,
        ]
        return {key: getattr(self.config, key) for key in keys}

    def published_networks(self) -> list[str]:
        """Inception and LPIPS' trunk, where feature_network is published."""
        from unidad.features.inception import WEIGHTS_URL
        from unidad.features.lpips_network import TRUNKS

        if self.config.feature_network != "published":
            return []
        return [WEIGHTS_URL, TRUNKS[self.config.published_features.trunk]]

    def _domain(self, name: str) -> str | None:
        """The synthetic domain; None for photographs."""
        described = self.plan.described(name)
        if not described.is_rendered:
            return None
        return "faces" if name == SOURCE else described.domain


def _uses_student(config: Config) -> bool:
    return any(variant.student == SOURCE_STUDENT for variant in config.variants.values())


def _check_student(config: Config) -> None:
    """A source student is given, and belongs to the source teacher."""
    if config.source_student == "train":
        raise ValueError(
            "source_student: few-shot generation trains it as a row of its own (method dmd2, "
            "domain source); name that row where a student starts from it"
        )
    if _uses_student(config) and config.source_student == "shipped" != config.source_teacher:
        raise ValueError(
            "source_student: the shipped one was distilled from the shipped source_teacher; "
            "give that of yours, or train one as a row (method dmd2, domain source)"
        )
