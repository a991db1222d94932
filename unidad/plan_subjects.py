"""Pure: what a personalisation experiment consists of, where it differs from few-shot generation.

The targets are subjects, the networks text-to-image models; images are drawn for prompts.
"""

from __future__ import annotations

from pathlib import Path

from unidad.config.images import LIVE_CLASSES, SUBJECTS
from unidad.config.run import (
    ORIGINS,
    SOURCE,
    SOURCE_STUDENT,
    SOURCE_TEACHER,
    MethodSettings,
    RunSpec,
)
from unidad.config.text_to_image import Prior, Prompts, TextToImage
from unidad.data.prompts import STANDARD, fill, read_prompts
from unidad.experiment.config import Config
from unidad.methods.specs import load_spec
from unidad.plan import (
    HELD_OUT_LABEL,
    SOURCE_STUDENT_LABEL,
    SOURCE_TEACHER_LABEL,
    TRAINING_LABEL,
    Plan,
    Row,
    Run,
    shots_name,
)


def make_plan(config: Config, results: str = "results") -> Plan:
    """The plan of an experiment of either task."""
    return (Plan if config.personalisation is None else SubjectPlan)(config, results)


class SubjectPlan(Plan):
    """The plan of an experiment whose targets are subjects."""

    def class_word(self, target: str) -> str:
        """What a subject is: cat, stuffed animal."""
        described = self.config.targets[target]
        return described.class_word or SUBJECTS[described.subject]

    def prompts(self, target: str, token: bool = True) -> list[str]:
        """The prompts of a subject, with or without the rare token.

        Raises:
            UserError: an unreadable prompt file, or a line without its slot.
        """
        settings, described = self.config.personalisation, self.config.targets[target]
        word = self.class_word(target)
        live = word in LIVE_CLASSES if described.live is None else described.live
        standard = STANDARD["live" if live else "objects"]
        path = standard if settings.prompts == "standard" else Path(settings.prompts)
        name = f"{settings.rare_token} {word}" if token else word
        return [fill(template, name) for template in read_prompts(path)]

    def shown_prompts(self) -> dict[str, list[str]]:
        """Target → its prompts without the rare token."""
        return {target: self.prompts(target, token=False) for target in self.config.targets}

    def settings(self, images: str) -> str:
        """The prompts, seeds and guidance that an image set is drawn with."""
        _, target, name, *_ = images.split("/")
        if name == "class_images.npz":
            return f"{self.root}/specs/evaluation/{target}/class_images.json"
        adapted = not name.startswith("source-")
        return f"{self.root}/specs/evaluation/{target}/{'subject' if adapted else 'class'}.json"

    def source_specs(self) -> dict[str, RunSpec]:
        """source_teacher, source_student → its training, where the configuration wants one.

        Raises:
            UserError: an unreadable or unfit specification in scene_models.
        """
        trained = [role for role in ORIGINS if getattr(self.config, role) == "train"]
        return {role: self._scene_spec(role) for role in trained}

    def _scene_spec(self, role: str) -> RunSpec:
        """What scene_models names, with this experiment's paths and resolution."""
        of_student = role == SOURCE_STUDENT
        here = {
            "data": self.training_images(SOURCE, None),
            "resolution": self.config.resolution,
            "student": self.source_teacher if of_student else self.untrained,
            "teacher": self.source_teacher if of_student else None,
        }
        spec = load_spec(getattr(self.config.personalisation.scene_models, role))
        return spec.model_copy(update=here)

    @property
    def autoencoder(self) -> str:
        """Folder of the autoencoder that is trained here."""
        return f"{self.root}/models/autoencoder"

    @property
    def text_clip(self) -> str:
        """Folder of the CLIP trained here whose text encoder conditions the networks."""
        return f"{self.root}/models/text_clip"

    @property
    def untrained(self) -> str:
        """Folder of the text-to-image model that the source teacher's training starts from."""
        return f"{self.root}/models/untrained"

    @property
    def clip(self) -> str:
        """Folder of the CLIP that images and prompts are compared with."""
        return f"{self.root}/models/clip"

    @property
    def encoder(self) -> str:
        """Folder of the encoder that recognises a subject."""
        return f"{self.root}/models/encoder"

    @property
    def measuring_networks(self) -> list[str]:
        """Folders of CLIP and of the encoder."""
        return [self.clip, self.encoder]

    def class_images(self, target: str) -> str:
        """Image set of the subject's class, for prior preservation."""
        return f"{self.root}/samples/{target}/class_images.npz"

    def image_sets(self, run: Run) -> list[str]:
        """Every image set that a run reads: the photos, and images of the class."""
        photos = super().image_sets(run)
        prior = self._text_to_image(run).prior
        return photos if prior is None else [*photos, prior.images]

    def source_models(self, run: Run) -> list[str]:
        """Folders of the source's models that a run starts from or is taught by."""
        variant, models = self._resolved(run), super().source_models(run)
        if variant.student == SOURCE_STUDENT:
            models.append(self.source_model(SOURCE_STUDENT))
        trained = self._trained_features().values()
        models += [folder for folder in variant.frozen_features.values() if folder in trained]
        return models

    def _trained_features(self) -> dict[str, str]:
        """Name → folder, of the networks trained here that EchoDistill sees images with."""
        places = {
            "source_teacher": ("clip", self.text_clip),
            "feature_network": ("encoder", self.encoder),
        }
        return dict(place for key, place in places.items() if getattr(self.config, key) == "train")

    def _resolved(self, run: Run) -> MethodSettings:
        """The variant with folders for features that are trained here."""
        return super()._resolved(run).with_features(self._trained_features())

    def row_spec(self, row: Row) -> dict:
        """All that `unidad evaluate` needs for one metrics file: what it is, and the paths."""
        common = super().row_spec(row)
        reference = f"{self.root}/data/{row.target}/reference.npz"
        return {
            "task": "personalisation",
            **{key: common[key] for key in ("run", "images", "features", "sampling", "training")},
            **{key: common[key] for key in ("training_images", "training_features")},
            "reference_images": reference if self.has_reference(row.target) else None,
            "encoder": self.encoder,
            "protocol": self.config.personalisation.protocol,
            "rare_token": self.config.personalisation.rare_token,
            "class_word": self.class_word(row.target),
            "prompts": self.prompts(row.target),
            "grammar": self.config.targets[row.target].subject is not None,
        }

    def sample_count(self, row: Row) -> int:
        """How many images are drawn for a row: some of each prompt."""
        return len(self.prompts(row.target)) * self.config.personalisation.images_per_prompt

    def followed_run(self, row: Row) -> str | None:
        """None: snapshots are not measured in personalisation."""
        return None

    def has_reference(self, target: str) -> bool:
        """Whether there are true pictures of the subject that were not trained on."""
        described = self.config.targets.get(target)
        return described is None or described.subject is not None or bool(described.reference)

    def _text_to_image(self, run: Run) -> TextToImage:
        settings, word = self.config.personalisation, self.class_word(run.target)
        variant = self.config.variants[run.label]
        prior = None
        if settings.prior is not None and variant.uses_prior:
            images = self.class_images(run.target)
            prior = Prior(images=images, weight=settings.prior.weight)
        distilled = variant.student == SOURCE_STUDENT
        return TextToImage(
            prompts=Prompts(
                class_word=word,
                rare_token=settings.rare_token,
                target=f"a {settings.rare_token} {word}",
                source=f"a {word}",
            ),
            guidance_scale=settings.guidance_scale,
            unet_weights=settings.student_unet if distilled else None,
            posterior=settings.posterior,
            lora=settings.lora,
            prior=prior,
        )

    def _controls(self, target: str, shots: int | None) -> list[Row]:
        nfe = self.config.evaluation.source_nfe
        drawn = {SOURCE_TEACHER_LABEL: nfe}
        if any(variant.student == SOURCE_STUDENT for variant in self.config.variants.values()):
            drawn[SOURCE_STUDENT_LABEL] = 1
        rows = [
            Row(target, shots, label, nfe, f"samples/{target}/{_folder(label)}/nfe{nfe}.npz")
            for label, nfe in drawn.items()
        ]
        if self.config.targets[target].subject is not None:
            rows.append(Row(target, shots, HELD_OUT_LABEL, None, f"data/{target}/held_out.npz"))
        photos = f"data/{target}/{shots_name(shots)}.npz"
        return [*rows, Row(target, shots, TRAINING_LABEL, None, photos)]

    def _data_spec(self, name: str) -> dict:
        common = {"resolution": self.config.resolution, "seed": self.config.data_seed}
        if name == SOURCE:
            return common | {
                "domain": "scenes",
                "images": self.config.source.images,
                "reference_images": self.config.evaluation.reference_images,
            }
        target = self.config.targets[name]
        if target.subject is None:
            return self._own_images(name)
        return common | {
            "subject": target.subject,
            "prompts": self.prompts(name),
            "images_per_prompt": self.config.personalisation.images_per_prompt,
            "shots": self.config.shots,
        }

    def _model_specs(self) -> dict[str, dict]:
        config = self.config
        return {
            f"specs/models/{SOURCE_TEACHER}.json": {SOURCE_TEACHER: config.source_teacher},
            f"specs/models/{SOURCE_STUDENT}.json": {
                SOURCE_STUDENT: config.source_student,
                "student_unet": config.personalisation.student_unet,
            },
            "specs/models/measuring.json": {"protocol": config.personalisation.protocol},
            **{f"specs/models/{name}.json": spec for name, spec in self._scene_models().items()},
        }

    def _scene_models(self) -> dict[str, dict]:
        """Name of a network of the scenes that is trained here → how."""
        settings, trained = self.config.personalisation.scene_models, []
        if self.config.source_teacher == "train":
            trained += ["autoencoder", "text_clip"]
        if self.config.feature_network == "train":
            trained += ["clip", "encoder"]
        resolution = {"resolution": self.config.resolution}
        specs = {name: resolution | getattr(settings, name).model_dump() for name in trained}
        if self.config.source_teacher == "train":
            specs["untrained"] = {"channels": settings.channels}
        return specs

    def _evaluation_specs(self) -> dict[str, dict]:
        settings, evaluation = self.config.personalisation, self.config.evaluation
        common = {
            "batch_size": evaluation.batch_size,
            "seed": evaluation.seed,
            "guidance_scale": settings.guidance_scale,
        }
        specs = {}
        for target in self.config.targets:
            folder, of_class = f"specs/evaluation/{target}", self.prompts(target, token=False)
            grid = common | {"images_per_prompt": settings.images_per_prompt}
            specs[f"{folder}/subject.json"] = grid | {"prompts": self.prompts(target)}
            specs[f"{folder}/class.json"] = grid | {"prompts": of_class}
            if settings.prior is not None:
                specs[f"{folder}/class_images.json"] = common | {
                    "prompts": [f"a {self.class_word(target)}"],
                    "images_per_prompt": settings.prior.images,
                }
        return specs


def _folder(label: str) -> str:
    return label.lower().replace(" ", "-")
