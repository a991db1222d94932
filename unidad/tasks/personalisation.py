"""Personalisation: from a few photos of one subject to pictures of it for any prompt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from unidad.config.images import LIVE_CLASSES
from unidad.config.names import (
    HELD_OUT_LABEL,
    ORIGINS,
    SOURCE,
    SOURCE_STUDENT,
    SOURCE_STUDENT_LABEL,
    SOURCE_TEACHER_LABEL,
    TRAINING_LABEL,
    slug,
)
from unidad.config.run import MethodSettings, RunSpec
from unidad.config.text_to_image import Prior, Prompts, TextToImage
from unidad.data.prompts import STANDARD, fill, read_prompts
from unidad.errors import UserError
from unidad.features.protocols import PROTOCOLS
from unidad.methods.specs import load_spec
from unidad.shipped import SHIPPED_TEXT_TO_IMAGE
from unidad.tasks.personalisation_checks import (
    check_sampling,
    check_scene_models,
    check_token,
    class_word,
)
from unidad.tasks.plots import UPDATES, Plot
from unidad.tasks.rows import Row, Run, shots_name
from unidad.tasks.task import Task, origin_of

if TYPE_CHECKING:
    from unidad.experiment.config import Config

ALL_SUBJECTS = "mean of subjects"
"""Beside it stand the papers' means over the 30 subjects of the DreamBooth benchmark."""
FIDELITY = {"clip_t_prompt", "measured_photos", "measured_images"}
"""What the protocols of papers leave open, or differ in."""
SHOWN = 16
"""Held-out scenes of the source, for the contact sheet: nothing is measured against them."""


class Personalisation(Task):
    """Targets are subjects, the networks text-to-image models; images are drawn for prompts."""

    title: ClassVar = "personalisation"
    unused_keys: ClassVar = (
        "source.babies",
        "source.sunglasses",
        "source.folder",
        "source.reference",
        "source_training",
        "network",
        "published_features",
        "intra_lpips",
        "evaluation.samples",
        "evaluation.source_sampler",
        "evaluation.source_student_nfe",
        "evaluation.reference_images",
        "targets.*.domain",
        "targets.*.near",
        "variants.*.near_target_share",
        "diffusion.sigma_min",
        "diffusion.sigma_max",
        "diffusion.rho",
        "diffusion.levels",
        "diffusion.lognormal_*",
        "diffusion.student_sigma_*",
    )
    rules: ClassVar = ("scenes", "subjects")
    plots: ClassVar = (
        Plot("fidelity", "instance_similarity", "clip_t"),
        Plot("diversity", "instance_similarity", "intra_lpips"),
        Plot("fidelity_updates", "instance_similarity", UPDATES),
        Plot("prompt_updates", "clip_t", UPDATES),
    )
    papers: ClassVar = {
        "instance_similarity": "paper DINO (SD 1.5, 512²)",
        "clip_i": "paper CLIP-I (SD 1.5, 512²)",
        "clip_t": "paper CLIP-T (SD 1.5, 512²)",
        "intra_lpips": "paper Intra-LPIPS (SD 1.5, 512²)",
        "inter_lpips": "paper Inter-LPIPS (SD 1.5, 512²)",
    }
    mean_of_targets: ClassVar = ALL_SUBJECTS
    name: ClassVar = "personalisation"

    @staticmethod
    def about(features: str, papers: bool) -> str:
        """Whose numbers the papers' are."""
        about = (
            f"Similarities and LPIPS are measured on {features}; prompt success is the share of "
            "images that show all that their prompt asks for."
        )
        if not papers:
            return about
        return about + (
            " The papers' columns are their authors' numbers on DreamBooth's 30 subjects, with "
            "Stable Diffusion 1.5 and published encoders, which differ from paper to paper: they "
            "stand here for orientation and are not comparable with ours."
        )

    @staticmethod
    def check(config: Config) -> None:
        """Refuse domains, training on the source, and models that do not fit together."""
        for name, target in config.targets.items():
            if target.subject is None and target.class_word is None:
                raise ValueError(
                    f"targets.{name}: personalisation needs 'subject', or 'folder' with "
                    "'class_word'"
                )
            check_token(config, name)
        for label, variant in config.variants.items():
            if variant.domain == SOURCE:
                raise ValueError(
                    f"variants.{label}.domain: personalisation starts from source_teacher or "
                    f"{SOURCE_STUDENT}; nothing is trained on the source here"
                )
            check_sampling(label, variant)
        if config.diffusion.spacing != "timesteps":
            raise ValueError(
                "diffusion.spacing: personalisation has the levels of its networks' own timesteps; "
                f"leave out {config.diffusion.spacing}"
            )
        check_scene_models(config)

    def class_word(self, target: str) -> str:
        """What a subject is: cat, stuffed animal."""
        return class_word(self.config.targets[target])

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
        try:
            return [fill(template, name) for template in read_prompts(path)]
        except UserError as error:
            raise UserError(f"personalisation.prompts: {error}") from None

    def words(self) -> dict[str, str]:
        """The rare token, and what each subject is."""
        targets = self.config.targets
        classes = {f"targets.{name}": self.class_word(name) for name in targets}
        starts = {
            f"targets.{name}.word_start": target.word_start for name, target in targets.items()
        }
        starts = {key: words for key, words in starts.items() if words is not None}
        token = {"personalisation.rare_token": self.config.personalisation.rare_token}
        return token | classes | starts

    def shown_prompts(self) -> dict[str, list[str]]:
        """Target → its prompts without the rare token."""
        return {target: self.prompts(target, token=False) for target in self.config.targets}

    @property
    def keeps_token(self) -> bool:
        """Whether images are measured against prompts with the rare token."""
        return self.config.personalisation.clip_t_prompt == "subject"

    def drawing_spec(self, images: str) -> str:
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
            "data": self.plan.training_images(SOURCE, None),
            "resolution": self.config.resolution,
            "student": self.plan.source_teacher if of_student else self.untrained,
            "teacher": self.plan.source_teacher if of_student else None,
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

    def _trained_features(self) -> dict[str, str]:
        """Name → folder, of the networks trained here that EchoDistill sees images with."""
        places = {
            "source_teacher": ("clip", self.text_clip),
            "feature_network": ("encoder", self.encoder),
        }
        return dict(place for key, place in places.items() if getattr(self.config, key) == "train")

    def sample_count(self, row: Row) -> int:
        """How many images are drawn for a row: some of each prompt."""
        return len(self.prompts(row.target)) * self.config.personalisation.images_per_prompt

    def controls(self, target: str, shots: int | None) -> list[Row]:
        """Images of the source's models, asked for the class, and true ones."""
        nfe = self.config.evaluation.source_nfe
        drawn = {SOURCE_TEACHER_LABEL: nfe}
        if any(variant.student == SOURCE_STUDENT for variant in self.config.variants.values()):
            drawn[SOURCE_STUDENT_LABEL] = 1
        rows = [
            Row(target, shots, label, nfe, f"samples/{target}/{slug(label)}/nfe{nfe}.npz")
            for label, nfe in drawn.items()
        ]
        if self.config.targets[target].subject is not None:
            rows.append(Row(target, shots, HELD_OUT_LABEL, None, f"data/{target}/held_out.npz"))
        photos = f"data/{target}/{shots_name(shots)}.npz"
        return [*rows, Row(target, shots, TRAINING_LABEL, None, photos)]

    def placed(self) -> dict[str, dict]:
        """The source's models, and the networks that measure."""
        config = self.config
        placed = {
            role: origin_of(getattr(config, role), folder)
            for role, folder in SHIPPED_TEXT_TO_IMAGE.items()
        }
        if config.feature_network != "train":
            protocol = PROTOCOLS[config.personalisation.protocol]
            placed |= {"clip": {"origin": protocol.clip}, "encoder": {"origin": protocol.encoder}}
        return {name: spec for name, spec in placed.items() if spec["origin"] != "train"}

    def trained_networks(self) -> dict[str, dict]:
        """Parts of the source's models, and the networks that measure."""
        settings, trained = self.config.personalisation.scene_models, []
        if self.config.source_teacher == "train":
            trained += ["autoencoder", "text_clip"]
        if self.config.feature_network == "train":
            trained += ["clip", "encoder"]
        specs = {name: getattr(settings, name).model_dump() for name in trained}
        for name in ("autoencoder", "encoder"):
            if name in specs:
                specs[name]["resolution"] = self.config.resolution
        if self.config.source_teacher == "train":
            specs["untrained"] = {"channels": settings.channels}
        return specs

    def drawing_specs(self) -> dict[str, dict]:
        """Prompts of each subject, of its class, and of images for prior preservation."""
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
            if self.keeps_token:
                specs[f"{folder}/measured.json"] = {"prompts": self.prompts(target)}
            if settings.prior is not None:
                specs[f"{folder}/class_images.json"] = common | {
                    "prompts": [f"a {self.class_word(target)}"],
                    "images_per_prompt": settings.prior.images,
                }
        return specs

    def image_sets(self, run: Run) -> list[str]:
        """The photos, and images of the class."""
        photos = super().image_sets(run)
        prior = self.text_to_image(run, self.config.variants[run.label]).prior
        return photos if prior is None else [*photos, prior.images]

    def resolved(self, run: Run, variant: MethodSettings) -> MethodSettings:
        """With folders of frozen networks that are trained here."""
        return super().resolved(run, variant).with_features(self._trained_features())

    def text_to_image(self, run: Run, variant: MethodSettings) -> TextToImage:
        """Prompts of the subject and of its class, guidance, adapters, prior preservation."""
        settings, word = self.config.personalisation, self.class_word(run.target)
        prior = None
        if settings.prior is not None and variant.uses_prior:
            images = self.class_images(run.target)
            prior = Prior(images=images, weight=settings.prior.weight)
        distilled = variant.student == SOURCE_STUDENT
        tracked = distilled and variant.has_fake_score
        return TextToImage(
            prompts=Prompts(
                class_word=word,
                rare_token=settings.rare_token,
                target=f"a {settings.rare_token} {word}",
                source=f"a {word}",
                word_start=self.config.targets[run.target].word_start
                if variant.needs_prompts
                else None,
            ),
            guidance_scale=settings.guidance_scale,
            unet_weights=settings.student_unet if distilled else None,
            fake_score_weights=settings.fake_score_weights if tracked else None,
            fake_score_prefix=settings.fake_score_prefix if tracked else None,
            posterior=settings.posterior,
            lora=settings.lora,
            prior=prior,
        )

    def row_spec(self, row: Row) -> dict:
        """Photos to compare with, protocol, prompts."""
        reference = f"{self.root}/data/{row.target}/reference.npz"
        fidelity = self.config.personalisation.model_dump(include=FIDELITY, exclude_defaults=True)
        return fidelity | {
            "reference_images": reference if self.plan.has_reference(row.target) else None,
            "protocol": self.config.personalisation.protocol,
            "rare_token": self.config.personalisation.rare_token,
            "prompts": self.prompts(row.target),
            "grammar": self.config.targets[row.target].subject is not None,
        }

    def rendering(self, name: str) -> dict:
        """Captioned scenes, or a subject of them."""
        common = {"resolution": self.config.resolution, "seed": self.config.data_seed}
        if name == SOURCE:
            return common | {
                "domain": "scenes",
                "images": self.config.source.images,
                "reference_images": SHOWN,
                "held_out_images": SHOWN,
            }
        return common | {
            "subject": self.config.targets[name].subject,
            "prompts": self.prompts(name),
            "images_per_prompt": self.config.personalisation.images_per_prompt,
            "shots": self.config.shots,
        }

    def given_models(self) -> dict[str, str]:
        """Source teacher, its student, and weights of that one and of its fake score."""
        given = {key: getattr(self.config, key) for key in ORIGINS}
        for key in ("student_unet", "fake_score_weights"):
            if (path := getattr(self.config.personalisation, key)) is not None:
                given[f"personalisation.{key}"] = path
        return given

    def published_networks(self) -> list[str]:
        """CLIP and the encoder of the protocol."""
        origins = (spec["origin"].partition(":") for spec in self.placed().values())
        return [name for kind, _, name in origins if kind == "published"]
