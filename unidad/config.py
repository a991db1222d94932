"""The typed configuration: it documents, validates and generates the JSON schema.

Every section forbids unknown keys; `load_config` turns each mistake into one line that names the
key, the value and what is allowed. `workflow/schemas/config.schema.json` is generated from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationError,
    model_serializer,
    model_validator,
)

from unidad.errors import UserError
from unidad.files import local_path

SOURCE = "source"
SOURCE_TEACHER = "source_teacher"
SOURCE_STUDENT = "source_student"
ORIGINS = (SOURCE_TEACHER, SOURCE_STUDENT)

SUBJECTS = {
    **{name: name for name in ("backpack", "boot", "cat", "clock", "dog", "teapot", "toy", "vase")},
    **{"bear_plushie": "stuffed animal", "cat2": "cat", "dog2": "dog"},
}
"""Subjects of the synthetic scenes → their class words."""
SAVINGS = (
    "gradient_accumulation",
    "gradient_checkpointing",
    "bf16_teachers",
    "offload_teachers",
    "adam_8bit",
    "ema_on_host",
)
"""Settings of the training that spend time, or a little precision, for less memory."""
LIVE_CLASSES = ("cat", "dog")
RENDERED_UP_TO = 128
"""Largest resolution of the synthetic images, in pixels."""
ARCHIVE_NAME = re.compile(r"(?i)\.(zip|tar|tgz|tar\.(gz|bz2|xz))$")

Unit = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class Section(BaseModel):
    """A frozen section that knows all its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Diffusion(Section):
    """The noise process (SPEC: FSIG levels)."""

    sigma_min: Positive = 0.002
    """Lowest noise level."""
    sigma_max: Positive = 80.0
    """Highest noise level: pure noise, where sampling starts."""
    rho: Positive = 7.0
    """Spacing of the Karras levels."""
    levels: Count = 1000
    """Number of levels that training draws from."""
    spacing: Literal["karras", "lognormal", "timesteps"] = "karras"
    """Which levels training draws from: Karras levels (the paper, 256x256), the quantiles of a
    log-normal distribution, or the network's own timesteps, whose range then replaces sigma_min and
    sigma_max (personalisation: there the default, and nothing else will do). The same sigma
    destroys far more of a 32x32 image, so small images want lower levels."""
    lognormal_mean: float = -0.8
    """Mean of log sigma, with spacing lognormal."""
    lognormal_std: Positive = 1.6
    """Standard deviation of log sigma, with spacing lognormal."""
    student_sigma_max: Positive | None = None
    """The few-step student's first level, its pure noise; null takes sigma_max."""
    student_sigma_min: Positive = 0.5
    """The few-step student's last level; its levels are log-linear from its first to here."""
    sigma_data: Positive | None = 0.5
    """The denoising loss weights the x0 error by sigma^-2 + sigma_data^-2; null: by sigma^-2, the
    plain error of the noise (personalisation)."""


class Network(Section):
    """Architecture of the small source teacher, when it is trained here."""

    unshuffle: Literal[1, 2, 4] = 2
    """Pixel-unshuffle factor: the U-Net works at resolution / unshuffle."""
    channels: tuple[Annotated[int, Field(ge=16, multiple_of=16)], ...] = (64, 128, 128)
    """Channels of the blocks, at halving resolutions; attention in the last one."""
    layers: Count = 1
    """Residual blocks at each resolution."""
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "v_prediction"
    """What the U-Net predicts."""


class Training(Section):
    """The trainer's settings, the same for every method."""

    student_updates: Count = 1000
    """Updates of the student: the budget."""
    batch_size: Count = 8
    """Images in an update, shared by the processes of a run on several GPUs."""
    gradient_accumulation: Count = 1
    """Parts that a process computes its images of an update in, one after the other: for less
    memory, the same gradient."""
    gradient_checkpointing: bool = False
    """Compute the residual blocks of trained networks a second time for the backward pass instead
    of keeping their activations: less memory, about a third more time, the same gradient."""
    bf16_teachers: bool = False
    """Store and run frozen teachers in bfloat16: half their memory."""
    offload_teachers: bool = False
    """Keep frozen teachers in the host's memory, and on the GPU only while they are asked."""
    adam_8bit: bool = False
    """AdamW with moments of 8 bits: a quarter of their memory. Needs bitsandbytes."""
    ema_on_host: bool = False
    """Keep the student's moving average in the host's memory."""
    learning_rate: Positive = 1e-4
    """AdamW's rate after the warm-up."""
    beta1: Unit = 0.9
    """AdamW's first-moment decay."""
    beta2: Unit = 0.999
    """AdamW's second-moment decay."""
    weight_decay: NotNegative = 0.01
    """AdamW's decoupled weight decay."""
    warmup_updates: Annotated[int, Field(ge=0)] = 50
    """Updates over which a network's rate rises to its value, counted for each network alone."""
    decay_updates: Annotated[int, Field(ge=0)] = 0
    """Final student updates over which the rates fall linearly to zero; 0 keeps them constant."""
    gradient_clip: Positive = 10.0
    """Largest gradient norm of a network."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.995
    """Decay of the student's moving average, which is what is sampled and saved; 0 turns it off
    (the original keeps none)."""
    horizontal_flip: bool = True
    """Flip real images at random."""
    bf16: bool = False
    """Run the networks under bfloat16 autocast."""
    compile: bool = False
    """Compile the U-Nets (torch.compile): a minute of preparation, then faster iterations. What
    does not compile here runs as it is, with a warning."""
    checkpoint_every: Count = 200
    """Student updates between checkpoints."""
    sample_every: Annotated[int, Field(ge=0)] = 500
    """Student updates between sample grids; 0 draws none."""
    snapshots: Annotated[int, Field(ge=0)] = 0
    """Copies of the student kept at equal distances before the end, and measured: the report's
    plot of quality against updates, and its best checkpoint beside the last."""
    log_every: Count = 10
    """Student updates between lines of the training log."""
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)
    """Experiment trackers, through accelerate, beside the CSV log."""

    @model_validator(mode="after")
    def _whole_parts(self) -> Training:
        if self.batch_size % self.gradient_accumulation:
            raise ValueError(
                f"gradient_accumulation: {self.batch_size} images (batch_size) cannot be cut into "
                f"{self.gradient_accumulation} equal parts"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_unused_savings(self, handler: SerializerFunctionWrapHandler) -> dict:
        """A run's specification, and so its hash, knows only the memory savings that it uses."""
        unused = {
            name for name in SAVINGS if getattr(self, name) == type(self).model_fields[name].default
        }
        return {name: value for name, value in handler(self).items() if name not in unused}


class Distillation(Section):
    """Options shared by the distilling methods, dmd2 and unidad (SPEC section 3)."""

    fake_score_updates_per_student_update: Count = 5
    """Fake-score (and discriminator) updates for one student update."""
    fake_score_learning_rate: Positive | None = None
    """AdamW's rate for fake score and discriminator; null takes the student's."""
    dmd_normaliser: Literal["prediction_gap", "noisy_gap", "score", "none"] = "prediction_gap"
    """What the DMD gradient is divided by (see unidad.losses.dmd_gradient)."""
    gradient_through: Literal["all", "last"] = "all"
    """Student steps that the gradient flows through: all K, or the last alone (cheaper)."""
    heads: Literal["multi", "single", "none"] = "multi"
    """Discriminator: a head on every encoder block, one on the middle block, or no GAN."""
    gan_loss: Literal["bce", "hinge", "lsgan", "wgan-gp"] = "bce"
    """Adversarial loss."""
    gan_logits: Literal["summed", "averaged"] = "summed"
    """Sum the heads' losses (the paper), or take the loss of their mean logit (its code)."""
    gan_student_weight: NotNegative = 0.01
    """Weight of the student's adversarial loss; not used where gan_gradient_ratio is set."""
    gan_gradient_ratio: Positive | None = None
    """Scale the student's GAN gradient so that its norm at the image is this multiple of the DMD
    gradient's, at every update: a weight that carries over between resolutions."""
    gan_discriminator_weight: NotNegative = 0.03
    """Weight of the discriminator's loss."""
    gan_penalty_weight: NotNegative = 10.0
    """Weight of WGAN-GP's gradient penalty."""
    gan_shared_levels: bool = False
    """Noise a real and a student image to the same level (SDP) or to levels of their own (FSIG)."""


class Variant(Section):
    """What the methods' settings share; `<label>` stands for another variant's name."""

    nfe: Count
    """Network evaluations an image, in training (few-step students) and in the table."""
    extra_nfe: tuple[Count, ...] = ()
    """Further numbers of evaluations to measure, for the plot of quality against NFE."""
    domain: Literal["target", "source"] = "target"
    """Train on each target's shots, or once on the source set."""
    student: str = SOURCE_TEACHER
    """Where the student's weights start: source_teacher, source_student (personalisation) or
    `<label>`."""
    training: Training = Training()
    """Settings that differ from the top-level `training`."""


class FinetuneVariant(Variant):
    """Denoising loss on the real images: FT, and the second stage of DMD2-FT."""

    method: Literal["finetune"]
    sampler: Literal["ddim", "heun", "few_step"] = "ddim"
    """How it samples: many-step, or with a few-step student's levels."""
    levels: Literal["all", "student"] = "all"
    """Noise levels in training: all, or the few-step student's own."""

    @model_validator(mode="after")
    def _samplable(self) -> FinetuneVariant:
        even = [nfe for nfe in (self.nfe, *self.extra_nfe) if nfe % 2 == 0]
        if self.sampler == "heun" and even:
            raise ValueError(f"sampler heun needs an odd nfe, found {even[0]}")
        return self


class DistilledVariant(Variant):
    """What dmd2 and unidad share: a few-step student."""

    distillation: Distillation = Distillation()
    """Settings that differ from the top-level `distillation`."""

    @property
    def sampler(self) -> str:
        """How it samples."""
        return "few_step"


class Dmd2Variant(DistilledVariant):
    """Distribution matching distillation of one teacher, with a GAN."""

    method: Literal["dmd2"]
    teacher: str = SOURCE_TEACHER
    """The teacher: source_teacher or `<label>`."""


class UnidadVariant(DistilledVariant):
    """Uni-DAD: dual-domain DMD and a multi-head GAN in one stage."""

    method: Literal["unidad"]
    dmd_source: bool = True
    """Match the source teacher."""
    target_teacher: str = "online"
    """online (trained beside the student), none, or `<label>`: pre-adapted and frozen."""
    target_teacher_learning_rate: Positive | None = None
    """AdamW's rate for the online target teacher; null takes the student's. At the student's rate
    a small network soon knows ten images by heart, and the student with it."""
    dmd_target_share: Unit | Literal["auto"] = "auto"
    """The paper's a, the target teacher's share of DMD. auto: by the target's `near`, 0 without a
    target teacher, 1 without dmd_source."""
    near_target_share: Unit = 0.25
    """What auto means for a near target."""
    far_target_share: Unit = 0.75
    """What auto means for a far one."""


class EchodistillVariant(Variant):
    """EchoDistill: teacher and one-step student learn a subject side by side (personalisation).

    Cross-attention keys and values of both (or their adapters) and one word's embedding are
    trained. `training.learning_rate` is the teacher's.
    """

    method: Literal["echodistill"]
    student: str = SOURCE_STUDENT
    """Where the student's weights start: source_student, source_teacher or `<label>`."""
    teacher: str = SOURCE_TEACHER
    """Where the teacher's weights start: source_teacher or `<label>`."""
    features: dict[Name, str] = {"clip": "shipped", "encoder": "shipped"}
    """Frozen networks by name, each with a discriminator; student and teacher are aligned on
    `clip`. shipped (of `clip` and `encoder`; where source_teacher, or feature_network, is train,
    the one trained with it), or the folder of a CLIP, of a vision transformer such as DINO, or of a
    scene network."""
    token_start: Literal["class_word", "rare_token"] = "class_word"
    """Whose embedding the learned one starts from."""
    token_taught_by: Literal["teacher", "both"] = "teacher"
    """Whose losses train the embedding, which both read: the teacher's, or the student's as well
    (not published which)."""
    texture: Literal["sliced_wasserstein", "lpips"] = "sliced_wasserstein"
    """The texture distance: multi-scale sliced Wasserstein (the paper's first version), or LPIPS
    (its second) on the scene network if there is one, else the published one."""
    alignment_features_weight: NotNegative = 1.0
    """Weight of one minus the cosine of CLIP's image tokens; as the two below, it is multiplied by
    alpha-bar of the timestep."""
    alignment_latents_weight: NotNegative = 0.5
    """Weight of the mean squared difference of the latents."""
    alignment_texture_weight: NotNegative = 0.1
    """Weight of the texture distance."""
    gan_student_weight: NotNegative = 1.0
    """Weight of the student's adversarial loss, a sum over the frozen networks."""
    student_learning_rate_factor: Positive = 2.0
    """The student's learning rate as a multiple of the teacher's."""
    discriminator_learning_rate: Positive = 1e-4
    """AdamW's rate for the discriminators."""
    echo_rounds: Annotated[int, Field(ge=0)] = 1
    """Rounds of the echo stage; 0 leaves it out. This and the four below are not published: our
    choice."""
    echo_updates: Count = 200
    """Student updates of a round: the last ones of `training.student_updates`."""
    echo_candidates: Count = 64
    """Images that the student draws at the start of a round."""
    echo_filter: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Share of them that is kept: those most like the photos in the frozen networks."""
    echo_share: Unit = 0.5
    """Share of the teacher's training images that are kept ones, the others being photos."""

    @property
    def sampler(self) -> str:
        """How it samples."""
        return "few_step"

    @property
    def echo_images(self) -> int:
        """How many images are kept."""
        return max(1, round(self.echo_candidates * self.echo_filter))

    @model_validator(mode="after")
    def _fits(self) -> EchodistillVariant:
        if "clip" not in self.features:
            raise ValueError(
                "features: no 'clip', on which student and teacher are aligned; name its folder"
            )
        echo, budget = self.echo_rounds * self.echo_updates, self.training.student_updates
        if echo > budget:
            raise ValueError(
                f"{self.echo_rounds} echo_rounds of {self.echo_updates} echo_updates do not fit "
                f"into {budget} student_updates; take fewer"
            )
        return self


AnyVariant = Annotated[
    FinetuneVariant | Dmd2Variant | UnidadVariant | EchodistillVariant,
    Field(discriminator="method"),
]


class Lora(Section):
    """Low-rank adapters in place of full training, in every trained network."""

    rank: Count = 16
    """Of the adapters."""
    layers: Literal["attention", "all"] = "attention"
    """Adapt the attention's projections, or all linear layers and convolutions. EchoDistill adapts
    the keys and values of cross-attention whatever stands here."""


class PriorImages(Section):
    """Prior preservation (DreamBooth) on images that the source teacher draws of the class."""

    images: Count = 100
    """How many."""
    weight: Positive = 1.0
    """Of the loss prior_preservation."""


class AutoencoderTraining(Section):
    """Training of the autoencoder of synthetic scenes (`unidad train-vae`)."""

    seed: Seed = 4243
    """Of scenes, weights, order and the posterior's samples."""
    steps: Count = 2500
    """Updates."""
    scenes: Count = 20_000
    """Rendered once, and drawn from at random."""


class ClipTraining(Section):
    """Training of a small CLIP (`unidad train-clip`)."""

    seed: Seed = 0
    """Of scenes, weights and order."""
    updates: Count = 600
    """Of the optimiser."""
    batch_size: Annotated[int, Field(ge=2, multiple_of=2)] = 256
    """Of two scenes with the same caption a batch keeps one."""
    patch_size: Literal[4, 8, 16] = 8
    """Side of the patches that images are cut into, in pixels."""
    scenes: Count = 20_000
    """Rendered once, each with a twin that differs in one part."""

    @model_validator(mode="after")
    def _fits(self) -> ClipTraining:
        if self.batch_size > 2 * self.scenes:
            raise ValueError(
                f"a batch of {self.batch_size} needs at least {self.batch_size // 2} scenes"
            )
        return self


class TextClipTraining(ClipTraining):
    """Training of the CLIP whose text encoder conditions the text-to-image models."""

    seed: Seed = 1
    """Another one than that of the CLIP that measures."""
    updates: Count = 400
    """Of the optimiser."""
    patch_size: Literal[4, 8, 16] = 4
    """Side of the patches that images are cut into, in pixels."""


class SceneNetworkTraining(Section):
    """Training of the scene network (`unidad train-scene-features`)."""

    seed: Seed = 4242
    """Of pool, weights, batches and damage."""
    updates: Count = 1300
    """Of the optimiser."""
    instances: Annotated[int, Field(ge=400)] = 10_000
    """Of any class, rendered once in several pictures each."""


class SceneModels(Section):
    """How the models of the synthetic scenes are trained; the defaults made the shipped ones."""

    autoencoder: AutoencoderTraining = AutoencoderTraining()
    """Of the text-to-image models."""
    text_clip: TextClipTraining = TextClipTraining()
    """The CLIP whose text encoder conditions the text-to-image models, and that aligns
    EchoDistill."""
    channels: Annotated[tuple[Count, ...], Field(min_length=1)] = (96, 160)
    """Of the U-Net's blocks, at halving resolutions: multiples of 32."""
    source_teacher: str = "configs/specs/scenes_source.json"
    """Run specification (JSON) of its training; its paths and resolution are the experiment's."""
    source_student: str = "configs/specs/scenes_student.json"
    """Likewise."""
    clip: ClipTraining = ClipTraining()
    """The CLIP that measures."""
    encoder: SceneNetworkTraining = SceneNetworkTraining()
    """The scene network that measures."""


class Personalisation(Section):
    """Subjects in place of domains: text-to-image networks learn what a rare word stands for."""

    rare_token: str = "prt"
    """The word that comes to stand for the subject; the tokenizer must know it."""
    prompts: str = "standard"
    """What is drawn and measured: standard (the 25 DreamBooth prompts of objects or of live
    subjects), or a file of one's own, one prompt a line with {} for the subject."""
    images_per_prompt: Count = 4
    """Images drawn of each prompt."""
    guidance_scale: Positive = 7.5
    """Classifier-free guidance of the teachers and of many-step sampling; 1 turns it off."""
    student_unet: str | None = None
    """Path of a bare U-Net state dict to load over source_student's own: a distilled release."""
    posterior: Literal["mean", "sample"] = "mean"
    """What stands for a training image: the mean of the autoencoder's posterior, or a sample."""
    lora: Lora | None = None
    """Train adapters alone; null trains all weights."""
    prior: PriorImages | None = None
    """Prior preservation in every finetune variant; null leaves it out."""
    protocol: Literal["synthetic", "unidad", "echodistill"] = "synthetic"
    """How fidelity is measured: with the embedded networks, or those of a paper."""
    scene_models: SceneModels = SceneModels()
    """How source_teacher, source_student and feature_network are trained where they are train."""


class Archive(Section):
    """Images in a zip or tar archive, on this machine or on a server."""

    url: str
    """Its address (http, https, file), or its path."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    """SHA-256 of the archive; a download must have one. `sha256sum` and `unidad fetch` tell it."""
    inside: str = ""
    """The archive's folder to take images from, with its subfolders; all of them by default."""

    @property
    def is_remote(self) -> bool:
        """Whether it must be downloaded."""
        return local_path(self.url) is None

    @model_validator(mode="after")
    def _checked_download(self) -> Archive:
        try:
            remote = self.is_remote
        except UserError as error:
            raise ValueError(str(error)) from None
        if remote and self.sha256 is None:
            raise ValueError(f"a download needs its hash: {{url: {self.url}, sha256: ...}}")
        return self


def _as_archive(value: Any) -> Any:
    """An archive given by its path or address alone, in the long form."""
    named = isinstance(value, str) and (ARCHIVE_NAME.search(value) or "://" in value)
    return {"url": value} if named else value


def _tag_of_images(value: Any) -> str:
    return "a path" if isinstance(value, str) else "an archive"


Images = Annotated[
    Annotated[str, Tag("a path")] | Annotated[Archive, Tag("an archive")],
    Discriminator(_tag_of_images),
    BeforeValidator(_as_archive),
]
"""A folder, or an archive: its path, or `url`, `sha256` and `inside`."""


class SourceData(Section):
    """The source domain's images: rendered faces, or a folder of one's own."""

    images: Count = 50000
    """Images of the source set; of a folder the first so many."""
    babies: Unit = 0.05
    """Share of baby-like source faces: rare modes that make `babies` a near target."""
    sunglasses: Unit = 0.05
    """Share of source faces with sunglasses, which makes `sunglasses` a near target."""
    folder: Images | None = None
    """A folder or archive of images in place of rendered faces."""
    reference: Images | None = None
    """Held-out images of the same kind, to measure against (with `folder`)."""

    @model_validator(mode="after")
    def _own_reference(self) -> SourceData:
        if self.reference is not None and self.folder is None:
            raise ValueError("'reference' goes with 'folder'")
        return self


class Target(Section):
    """A target domain, or in personalisation a subject: synthetic, or a folder of one's own."""

    domain: Literal["babies", "sunglasses", "portraits", "cats"] | None = None
    """A synthetic domain of the embedded benchmark."""
    subject: Literal[tuple(SUBJECTS)] | None = None
    """A subject of the synthetic scenes (personalisation)."""
    class_word: str | None = None
    """What the subject in one's own folder is, in a word that the tokenizer knows: cat, stuffed
    animal."""
    live: bool | None = None
    """Whether the subject in one's own folder is a living one, which decides its prompts; null:
    cats and dogs are."""
    folder: Images | None = None
    """A folder or archive of images."""
    reference: Images | None = None
    """Held-out images of the same kind, to measure against (with `folder`)."""
    shots_in_reference: Literal["refuse", "drop"] = "refuse"
    """Training images among the held-out ones: an error, or left out, as published sets want it."""
    near: bool = False
    """Whether the target lies inside the source's support: decides dmd_target_share auto."""

    @model_validator(mode="after")
    def _one_origin(self) -> Target:
        if sum(origin is not None for origin in (self.domain, self.subject, self.folder)) != 1:
            raise ValueError(
                "give one of 'domain', 'subject' (synthetic) and 'folder' (your own images)"
            )
        if self.class_word is not None and self.folder is None:
            raise ValueError("'class_word' goes with 'folder'")
        if self.reference is not None and self.folder is None:
            raise ValueError("'reference' goes with 'folder'")
        return self


class PublishedFeatures(Section):
    """The networks of the literature, where feature_network is published."""

    mode: Literal["legacy_pytorch", "clean"] = "legacy_pytorch"
    """How images are resized for Inception: as pytorch-fid does (the paper) or as clean-fid."""
    trunk: Literal["vgg", "alex"] = "vgg"
    """LPIPS' network."""


class IntraLpips(Section):
    """What the definition of Intra-LPIPS leaves open (see unidad.metrics.perceptual)."""

    members: Annotated[int, Field(ge=2)] = 100
    """Samples of a cluster that count: the first ones, in order of generation."""
    small_clusters: Literal["zero", "skip"] = "zero"
    """Clusters with fewer than two samples count 0, as in the released code (a model that ignores a
    training image pays for it), or are left out of the mean."""
    unit_range: bool = False
    """Give samples in [0, 1] and training images in [-1, 1], as the released code does."""


class Evaluation(Section):
    """Sampling and metrics."""

    samples: Annotated[int, Field(ge=16)] = 2000
    """Images drawn for each row."""
    reference_images: Annotated[int, Field(ge=16)] = 5000
    """Held-out images of each synthetic target."""
    batch_size: Count = 64
    """Images sampled at once; does not change them."""
    seed: Seed = 1000
    """Seed of the samples' noise: the same for every method."""
    source_nfe: Count = 25
    """Evaluations of the unadapted source teacher's row."""


class PromptGrid(Section):
    """Which images to draw; they come in prompt-major order."""

    prompts: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """What is drawn."""
    images_per_prompt: Count = 4
    """Images of each prompt."""
    seed: Seed = 0
    """Of the noise; an image's depends on (seed, its place in the grid) alone."""
    guidance_scale: Positive = 7.5
    """Classifier-free guidance of many-step models; 1 turns it off. One-step models have none."""
    batch_size: Count = 64
    """Images at once; does not change them."""

    @property
    def captions(self) -> tuple[str, ...]:
        """The prompt of each image."""
        return tuple(prompt for prompt in self.prompts for _ in range(self.images_per_prompt))


class Config(Section):
    """An experiment."""

    experiment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """Its name: results go to results/<experiment>/."""
    resolution: Annotated[int, Field(ge=16, le=512, multiple_of=16)] = 32
    """Of all images, in pixels; rendered ones have at most 128."""
    data_seed: Seed = 0
    """Seed of the synthetic data."""
    source: SourceData = SourceData()
    """The source domain."""
    source_teacher: str = "shipped"
    """shipped, train, the path of a model folder (unet/, scheduler/), or of an unconditional
    guided-diffusion checkpoint (.pt, .safetensors), which is imported."""
    source_student: str = "shipped"
    """Personalisation: the one-step student distilled from the source teacher; shipped, train, or
    the path of a pipeline folder."""
    source_training: Training = Training()
    """How the source teacher is trained where source_teacher is train (personalisation: see
    scene_models)."""
    feature_network: str = "shipped"
    """shipped, train, published (Inception and LPIPS), or the path of a folder that
    `unidad train-features` wrote. In personalisation the networks of the protocol synthetic:
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
    shots: Annotated[tuple[Count, ...], Field(min_length=1)] = (10,)
    """Numbers of training images."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    """Training seeds; the table's mean and standard deviation go over them."""
    variants: Annotated[dict[str, AnyVariant], Field(min_length=1)]
    """Rows of the table: label → method and settings."""
    evaluation: Evaluation = Evaluation()
    """Sampling and metrics."""
    personalisation: Personalisation | None = None
    """The targets are subjects, the networks text-to-image models; null: domains and unconditional
    networks."""

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, raw: Any) -> Any:
        """Lay variants' training and distillation over the top-level ones; levels of the task."""
        if isinstance(raw, dict) and raw.get("personalisation") is not None:
            raw = raw | {"diffusion": _with_timesteps(raw.get("diffusion"))}
        if not isinstance(raw, dict) or not isinstance(raw.get("variants"), dict):
            return raw
        variants = {
            label: _with_defaults(variant, raw) for label, variant in raw["variants"].items()
        }
        return raw | {"variants": variants}

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        for name in self.targets:
            if name == SOURCE or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
                raise ValueError(
                    f"targets: '{name}' is not usable as a name: letters, digits, _ and -, "
                    f"not '{SOURCE}'"
                )
        slugs = [slug(label) for label in self.variants]
        for label, name in zip(self.variants, slugs, strict=True):
            if not name or slugs.count(name) > 1 or label in (*ORIGINS, "online", "none"):
                raise ValueError(f"variants: the label '{label}' is reserved, empty or not unique")
        for label, variant in self.variants.items():
            _check_origins(label, variant, self.variants)
            _check_losses(label, variant)
        _check_task(self)
        if self.personalisation is not None:
            _check_scene_models(self)
        _check_rendered(self)
        return self

    @property
    def uses_source_images(self) -> bool:
        """Whether anything is trained on images of the source domain."""
        on_source = any(variant.domain == SOURCE for variant in self.variants.values())
        student = self.personalisation is not None and self.source_student == "train"
        return on_source or student or self.source_teacher == "train"


class Prompts(Section):
    """What text-conditioned networks read."""

    class_word: str
    """The subject's class: cat, stuffed animal."""
    rare_token: str = "prt"
    """The word that comes to stand for the subject."""
    target: str
    """Prompt of the subject, with both: a prt cat."""
    source: str
    """Prompt of the class, for the source teacher and for prior preservation: a cat."""

    @model_validator(mode="after")
    def _name_the_subject(self) -> Prompts:
        for key, word in (("rare_token", self.rare_token), ("class_word", self.class_word)):
            if not _mentions(self.target, word):
                raise ValueError(f"target: '{self.target}' does not contain {key} '{word}'")
        if not _mentions(self.source, self.class_word):
            raise ValueError(
                f"source: '{self.source}' does not contain class_word '{self.class_word}'"
            )
        if _mentions(self.source, self.rare_token):
            raise ValueError(
                f"source: '{self.source}' contains rare_token '{self.rare_token}', "
                "which means nothing to the source teacher"
            )
        return self


class Prior(Section):
    """Prior preservation (DreamBooth): a second denoising loss, on images of the class."""

    images: str
    """Path of an image set of the class, read with the source prompt."""
    weight: Positive = 1.0
    """Of the loss prior_preservation."""


class TextToImage(Section):
    """Personalisation: the networks are text-to-image pipelines (Stable Diffusion 1 and 2)."""

    prompts: Prompts | None = None
    """What the networks read; null: each image is read with its own caption (training on the
    source)."""
    caption_dropout: Unit = 0.1
    """Share of captioned images that the denoising loss of method finetune reads with the empty
    caption instead, which guidance needs."""
    guidance_scale: Positive = 7.5
    """Classifier-free guidance of the teachers, and of many-step sampling; 1 turns it off. Student
    and fake score have none."""
    unet_weights: str | None = None
    """A bare U-Net state dict for the student in place of its folder's own: a distilled release."""
    fake_score_start: Literal["student", "teacher"] = "student"
    """Whose weights the fake score starts from: a pre-distilled student is no longer its
    teacher."""
    posterior: Literal["mean", "sample"] = "mean"
    """What stands for a training image: the mean of the autoencoder's posterior, or one sample of
    it, drawn before training."""
    lora: Lora | None = None
    """Train adapters alone; null trains all weights."""
    prior: Prior | None = None
    """Prior preservation, with method finetune; null leaves it out."""


class RunSpec(Section):
    """All that one training run is: what `unidad train` reads, resolved and validated."""

    target: str
    """Target name, or `source`."""
    shots: int | None
    """Training images; null for the source set."""
    label: str
    """The variant's label in tables."""
    seed: int
    """Seed of every random draw of the run."""
    data: str
    """Path of the training image set."""
    student: str | None
    """Model folder the student starts from; null: a fresh network."""
    teacher: str | None = None
    """Model folder of the (source) teacher."""
    target_teacher: str | None = None
    """Model folder of a pre-adapted, frozen target teacher."""
    resolution: int
    """Of the images, in pixels."""
    network: Network
    """Architecture of a fresh network."""
    diffusion: Diffusion
    """The noise process."""
    variant: AnyVariant
    """Method and settings."""
    text_to_image: TextToImage | None = None
    """Prompts and settings of text-conditioned networks; null: unconditional ones."""

    @model_validator(mode="after")
    def _taught(self) -> RunSpec:
        if self.variant.method != "finetune" and self.teacher is None:
            raise ValueError(f"method {self.variant.method} needs a 'teacher', a model folder")
        if getattr(self.variant, "dmd_target_share", None) == "auto":
            raise ValueError(
                "variant.dmd_target_share: a run needs a number; `unidad plan` finds it"
            )
        prompted = self.text_to_image is not None and self.text_to_image.prompts is not None
        if self.variant.method == "echodistill" and not prompted:
            raise ValueError(
                "method echodistill needs text_to_image.prompts, one with the rare token"
            )
        if self.text_to_image is not None:
            _check_text_to_image(self)
        return self


def _check_text_to_image(spec: RunSpec) -> None:
    """A one-step student starts at the network's last timestep, as its export does."""
    variant, diffusion = spec.variant, spec.diffusion
    if spec.student is None:
        raise ValueError("text_to_image needs a 'student', the folder of a pipeline")
    if diffusion.spacing != "timesteps" or diffusion.student_sigma_max is not None:
        raise ValueError(
            "text_to_image needs diffusion.spacing 'timesteps' and no diffusion.student_sigma_max"
        )
    if variant.sampler == "few_step" and variant.nfe != 1:
        raise ValueError(f"text_to_image: students draw in one step; variant.nfe is {variant.nfe}")
    if variant.sampler == "heun":
        raise ValueError("text_to_image: many-step models draw with ddim; variant.sampler is heun")
    if spec.text_to_image.prior is not None and variant.method != "finetune":
        raise ValueError(f"text_to_image.prior goes with method finetune, not {variant.method}")
    if spec.text_to_image.prior is not None and spec.text_to_image.prompts is None:
        raise ValueError("text_to_image.prior needs text_to_image.prompts")


def _mentions(prompt: str, phrase: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", prompt) is not None


def slug(label: str) -> str:
    """A label as a part of a path: `Uni-DAD (no GAN)` → `uni-dad-no-gan`."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


def origins(variant: AnyVariant) -> dict[str, str]:
    """Key → label of the variants that this one starts from or is taught by."""
    named = {"student": variant.student}
    if isinstance(variant, (Dmd2Variant, EchodistillVariant)):
        named["teacher"] = variant.teacher
    if isinstance(variant, UnidadVariant) and variant.target_teacher not in ("online", "none"):
        named["target_teacher"] = variant.target_teacher
    return {key: label for key, label in named.items() if label not in ORIGINS}


def load_config(path: str | Path) -> Config:
    """Read and validate a YAML configuration.

    Raises:
        UserError: one line for each mistake: file, key, value, what is allowed.
    """
    try:
        raw = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    return parse_config(raw, str(path))


def parse_config(raw: object, where: str) -> Config:
    """Validate a configuration that is already a mapping; errors as for `load_config`."""
    if not isinstance(raw, dict):
        raise UserError(f"{where}: expected a mapping of keys, found {type(raw).__name__}")
    return validate(Config, raw, where)


def load_spec(path: str | Path) -> RunSpec:
    """Read a run specification (JSON); errors as for `load_config`."""
    try:
        raw = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such run specification; `unidad plan` writes them") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid JSON: {' '.join(str(error).split())}") from None
    return validate(RunSpec, raw, str(path))


def validate(model: type[Section], raw: object, where: str) -> Any:
    """A section from a mapping; errors as for `load_config`."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = {_key(problem): problem for problem in error.errors()}
        lines = [
            _line(where, ".".join(key), problem)
            for key, problem in problems.items()
            if not _is_echo(key, problems)
        ]
        raise UserError("\n".join(lines)) from None


def _key(problem: dict) -> tuple[str, ...]:
    tags = ("finetune", "dmd2", "unidad", "echodistill", "a path", "an archive")
    return tuple(str(part) for part in problem["loc"] if part not in tags)


def _is_echo(key: tuple[str, ...], keys: Iterable[tuple[str, ...]]) -> bool:
    """A default's mistake seen again in each variant, or a list's because of an item's."""
    inherited = key[0:1] == ("variants",) and key[2:] in keys
    return inherited or any(key and other != key and other[: len(key)] == key for other in keys)


def _line(where: str, key: str, problem: dict) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return f"{where}: {key}: unknown key; see the keys in workflow/schemas/config.schema.json"
    if problem["type"] == "missing":
        return f"{where}: {key}: this key is missing"
    if not key:
        return f"{where}: {message}"
    return f"{where}: {key}: {message}, found {problem['input']!r}"


def _with_defaults(variant: Any, raw: dict) -> Any:
    if not isinstance(variant, dict):
        return variant
    merged = dict(variant)
    distilled = variant.get("method") not in ("finetune", "echodistill")
    sections = ("training", "distillation") if distilled else ("training",)
    for section in sections:
        defaults, own = raw.get(section) or {}, variant.get(section) or {}
        if isinstance(defaults, dict) and isinstance(own, dict):
            merged[section] = defaults | own
    return merged


def _with_timesteps(diffusion: Any) -> Any:
    """The noise levels of text-to-image networks, unless others are given."""
    given = {} if diffusion is None else diffusion
    return {"spacing": "timesteps"} | given if isinstance(given, dict) else given


def _check_losses(label: str, variant: AnyVariant) -> None:
    """A student needs a loss, and gan_gradient_ratio a DMD gradient to balance against."""
    if not isinstance(variant, UnidadVariant):
        return
    where, share = f"variants.{label}", variant.dmd_target_share
    taught = variant.target_teacher != "none"
    if share != "auto" and share > 0 and not taught:
        raise ValueError(f"{where}.dmd_target_share: {share} without a target teacher; give 0")
    from_target = taught and share != 0
    from_source = variant.dmd_source and share != 1
    if from_source or from_target:
        return
    if variant.distillation.heads == "none":
        raise ValueError(f"{where}: no teacher and no discriminator: the student has no loss")
    if variant.distillation.gan_gradient_ratio is not None:
        raise ValueError(
            f"{where}.distillation.gan_gradient_ratio: there is no DMD gradient to balance "
            "against; set it to null, gan_student_weight counts then"
        )


def _check_task(config: Config) -> None:
    """Domains belong to few-shot generation, subjects and a student of the source to the other."""
    subjects = config.personalisation is not None
    for name, target in config.targets.items():
        named = target.subject is not None or target.class_word is not None
        if named and not subjects:
            raise ValueError(f"targets.{name}: a subject needs the section 'personalisation'")
        if subjects and not named:
            raise ValueError(
                f"targets.{name}: personalisation needs 'subject', or 'folder' with 'class_word'"
            )
    for label, variant in config.variants.items():
        if subjects and variant.domain == SOURCE:
            raise ValueError(
                f"variants.{label}.domain: personalisation starts from source_teacher or "
                f"{SOURCE_STUDENT}; nothing is trained on the source here"
            )
        if not subjects and variant.method == "echodistill":
            raise ValueError(
                f"variants.{label}: method echodistill needs the section 'personalisation'"
            )
        if not subjects and variant.student == SOURCE_STUDENT:
            raise ValueError(
                f"variants.{label}.student: {SOURCE_STUDENT} needs the section 'personalisation'"
            )


def _check_scene_models(config: Config) -> None:
    """What is trained here is trained on rendered scenes, and fits together."""
    if config.uses_source_images and config.source.folder is not None:
        raise ValueError(
            "source.folder: personalisation trains its source models on rendered, captioned scenes"
        )
    students = any(variant.student == SOURCE_STUDENT for variant in config.variants.values())
    if students and config.source_teacher == "train" and config.source_student == "shipped":
        raise ValueError(
            "source_student: the shipped one has another autoencoder than a source_teacher that is "
            "trained here; give train"
        )
    protocol = config.personalisation.protocol
    if config.feature_network == "train" and protocol != "synthetic":
        raise ValueError(
            f"feature_network: protocol {protocol} measures with published networks; leave out "
            "train"
        )


def _check_rendered(config: Config) -> None:
    """Rendered images have a largest resolution."""
    if config.resolution <= RENDERED_UP_TO:
        return
    rendered = [f"targets.{name}" for name, target in config.targets.items() if not target.folder]
    if config.uses_source_images and config.source.folder is None:
        rendered.append("source")
    if rendered:
        raise ValueError(
            f"resolution: {config.resolution}, but {rendered[0]} is rendered, with at most "
            f"{RENDERED_UP_TO}; lower it, or give {rendered[0]} a 'folder' of images"
        )


def _check_origins(label: str, variant: AnyVariant, variants: dict[str, AnyVariant]) -> None:
    for key, origin in origins(variant).items():
        if origin not in variants:
            allowed = ", ".join([*ORIGINS, *variants])
            raise ValueError(f"variants.{label}.{key}: '{origin}' is none of {allowed}")
        if variant.domain == SOURCE and variants[origin].domain != SOURCE:
            raise ValueError(f"variants.{label}.{key}: '{origin}' is not trained on the source")
    seen, waiting = set(), [label]
    while waiting:
        for origin in origins(variants[waiting.pop()]).values():
            if origin == label:
                raise ValueError(f"variants.{label}: starts from itself, through {origin}")
            if origin in variants and origin not in seen:
                seen.add(origin)
                waiting.append(origin)


def schema() -> str:
    """The JSON schema of the configuration, as text; descriptions come from the docstrings."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"
