"""One training run from its specification to its exported model."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unidad.config.run import RunSpec
from unidad.data.image_set import ImageSet
from unidad.errors import UserError
from unidad.files import atomic_folder, sha256, write_json
from unidad.networks.backbone import Backbone
from unidad.networks.folder import WEIGHTS_NAME
from unidad.networks.lora import save_adapters
from unidad.networks.patches import FOLDER as CODEC_FOLDER
from unidad.networks.registry import model_weights
from unidad.networks.text import TextEncoder
from unidad.networks.text_to_image_folder import TEXT_WEIGHTS_NAME, load_text_encoder
from unidad.provenance import made
from unidad.training.build import build_method
from unidad.training.loop import Trainer

SNAPSHOTS = "snapshots"


def train(spec: RunSpec, folder: Path, progress: bool = True) -> dict:
    """Train a run in ``folder``, or go on where it stopped, and export ``folder/model``.

    Args:
        spec: the run.
        folder: gets ``model/`` (a diffusers pipeline folder), ``training.csv``, ``training.json``
            (the returned summary), ``snapshots/<updates>/`` (models on the way), ``samples/``
            (grids), the method's companions (``teacher/``); until it ends also ``state/``
            (checkpoints).
        progress: show a progress bar.

    Returns:
        The summary: iterations, updates, seconds, peak memory.

    Raises:
        UserError: missing or unfit data or models, a non-finite loss, or another process that
            trains the same run.
    """
    images = _load_images(spec, spec.data)
    prior = None if spec.text_to_image is None else spec.text_to_image.prior
    class_images = None if prior is None else _load_images(spec, prior.images)
    method = build_method(spec, images.captions)
    _check_network(spec, method.student)

    def keep(updates: int) -> None:
        with atomic_folder(folder / "state" / SNAPSHOTS / f"{updates:06d}") as partial:
            export(trainer.result, spec, partial, method.text_encoder())

    with _alone(folder):
        trainer = Trainer(spec, method, images, folder, progress, keep, class_images)
        if trainer.accelerator.is_main_process:
            _discard_other_state(folder, fingerprint(spec))
        trainer.accelerator.wait_for_everyone()
        summary = _about(spec) | trainer.run()
        if trainer.accelerator.is_main_process:
            text = method.text_encoder()
            with atomic_folder(folder / "model") as partial:
                export(trainer.result, spec, partial, text)
            _save_adapters(trainer.result, spec, folder / "adapter")
            for name, network in method.companions().items():
                with atomic_folder(folder / name) as partial:
                    _without_adapters(network, spec).save(partial, text=text)
            _publish_snapshots(folder)
            shutil.copyfile(trainer.log.path, folder / "training.csv")
            write_json(folder / "training.json", summary)
            shutil.rmtree(folder / "state")
    return summary


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second process out of a run; the lock goes with its process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.environ.get("LOCAL_RANK", "0") != "0":
        yield
        return
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{folder}: another process is training this run; wait for it or end it"
            ) from None
        yield


def _about(spec: RunSpec) -> dict:
    training, text = spec.variant.training, spec.text_to_image
    guided = text is not None and spec.variant.sampler != "few_step"
    return {
        "label": spec.label,
        "target": spec.target,
        "shots": spec.shots,
        "method": spec.variant.method,
        "nfe": spec.variant.nfe,
        "seed": spec.seed,
        "batch_size": training.batch_size,
        "images_seen": training.student_updates * training.batch_size,
        "learning_rate": training.learning_rate,
        "training_images": _hashes(spec),
        **made(),
        **({} if text is None else {"guidance_scale": text.guidance_scale if guided else 0}),
    }


def _hashes(spec: RunSpec) -> list[str] | None:
    """SHA-256 of the pixels of each of a few images; None of a source set."""
    if spec.shots is None:
        return None
    return [
        hashlib.sha256(image.tobytes()).hexdigest() for image in ImageSet.load(spec.data).images
    ]


def export(network: Backbone, spec: RunSpec, folder: Path, text: TextEncoder | None = None) -> None:
    """Save a network as a pipeline folder; sampler and noise levels travel with it.

    A text-to-image network becomes an ordinary ``StableDiffusionPipeline`` of one step or of many,
    its adapters merged, with the given text encoder or the one that the run started with.
    """
    variant = spec.variant
    if spec.text_to_image is not None:
        network, text = _without_adapters(network, spec), text or load_text_encoder(spec.student)
    network.save(folder, variant.sampler, variant.nfe, spec.diffusion, text)


def _save_adapters(network: Backbone, spec: RunSpec, folder: Path) -> None:
    """Beside the merged model, the adapters alone, for the pipeline that the run started from."""
    if spec.text_to_image is not None and spec.text_to_image.lora is not None:
        with atomic_folder(folder) as partial:
            save_adapters(network.model, partial)


def _without_adapters(network: Backbone, spec: RunSpec) -> Backbone:
    return network if spec.text_to_image.lora is None else network.without_adapters()


def fingerprint(spec: RunSpec) -> str:
    """Hash of all that a run depends on: its spec, its images, the weights it starts from."""
    digest = hashlib.sha256(spec.model_dump_json().encode())
    inputs = [Path(spec.data)]
    folders = [spec.student, spec.teacher, spec.target_teacher]
    if spec.text_to_image is not None:
        inputs += _text_to_image_inputs(spec)
        if spec.text_to_image.unet_weights is not None:
            folders.remove(spec.student)
    for folder in (Path(folder) for folder in folders if folder is not None):
        basis = folder / CODEC_FOLDER / WEIGHTS_NAME
        inputs += [model_weights(folder), *([basis] if basis.exists() else [])]
    inputs += spec.variant.input_files()
    for path in inputs:
        digest.update(bytes.fromhex(sha256(path)))
    return digest.hexdigest()


def _text_to_image_inputs(spec: RunSpec) -> list[Path]:
    settings, folder = spec.text_to_image, Path(spec.student)
    inputs = [folder / "vae" / WEIGHTS_NAME, folder / "text_encoder" / TEXT_WEIGHTS_NAME]
    if settings.unet_weights is not None:
        inputs.append(Path(settings.unet_weights))
    if settings.fake_score_weights is not None:
        inputs.append(Path(settings.fake_score_weights))
    if settings.prior is not None:
        inputs.append(Path(settings.prior.images))
    return inputs


def _discard_other_state(folder: Path, current: str) -> None:
    """Throw away the checkpoints of another specification, data set or starting point."""
    marker = folder / "state" / "fingerprint.txt"
    if marker.exists() and marker.read_bytes() == current.encode():
        return
    shutil.rmtree(folder / "state", ignore_errors=True)
    shutil.rmtree(folder / SNAPSHOTS, ignore_errors=True)
    marker.parent.mkdir(parents=True)
    marker.write_text(current)


def _publish_snapshots(folder: Path) -> None:
    """Copy the snapshots out of the state; an empty folder where none are wanted."""
    with atomic_folder(folder / SNAPSHOTS) as partial:
        if (folder / "state" / SNAPSHOTS).exists():
            shutil.copytree(folder / "state" / SNAPSHOTS, partial, dirs_exist_ok=True)


def _load_images(spec: RunSpec, path: str) -> ImageSet:
    images = ImageSet.load(path)
    side = spec.resolution
    if images.images.shape[1:3] != (side, side):
        height, width = images.images.shape[1:3]
        raise UserError(
            f"{path}: images are {width}x{height}, the run wants {side}x{side}; "
            "run `unidad prepare` again"
        )
    return images


def _check_network(spec: RunSpec, network: Backbone) -> None:
    side = network.resolution
    if side != spec.resolution:
        raise UserError(
            f"{spec.student or 'network'}: a model of {side}x{side} images, the run wants "
            f"{spec.resolution}x{spec.resolution}; change 'resolution' or the source teacher"
        )
