"""The training loop: the only place that calls backward, clips, steps, logs and checkpoints."""

from __future__ import annotations

import copy
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.hooks import UserCpuOffloadHook
from accelerate.utils import gather_object
from torch import Tensor, nn
from tqdm import tqdm

from unidad.config.run import RunSpec
from unidad.data.image_set import ImageSet
from unidad.diffusion.draws import PartGenerator
from unidad.errors import Stopped, UserError
from unidad.methods.base import Batch, Method, StepOutput
from unidad.networks.backbone import Backbone
from unidad.networks.lora import sharing_copy
from unidad.timing import now
from unidad.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from unidad.training.compilation import compile_networks
from unidad.training.grid import save_grid
from unidad.training.images import TrainingImages
from unidad.training.log import TrainingLog
from unidad.training.memory import check_installed, checkpoint_activations, offload, store_in_bf16
from unidad.training.optimisers import new_optimiser, update_average
from unidad.training.stopping import StopRequest


class Trainer:
    """Trains one run, resuming from the last checkpoint in ``folder/state``.

    A run that was killed and started again ends with the same weights, bit for bit on a CPU, as an
    uninterrupted one: draws are keyed by (seed, iteration) and checkpoints are complete. Several
    processes share each batch and end as one does, up to rounding; the main one writes the files.

    Args:
        spec: the run.
        method: built from it.
        images: the real images.
        folder: holds ``state/`` (checkpoints, log), ``samples/`` and the trackers' files.
        progress: show a progress bar.
        keep: called with the student updates so far at each of the run's snapshots.
        class_images: images of the subject's class, for prior preservation.
    """

    def __init__(
        self,
        spec: RunSpec,
        method: Method,
        images: ImageSet,
        folder: Path,
        progress: bool = True,
        keep: Callable[[int], None] | None = None,
        class_images: ImageSet | None = None,
    ):
        self.spec, self.method, self.folder, self.progress = spec, method, folder, progress
        self.keep = keep
        self.settings = spec.variant.training
        for tracker in self.settings.trackers:
            check_installed(tracker, "training.trackers")
        self.accelerator = Accelerator(
            log_with=list(self.settings.trackers) or None, project_dir=str(folder)
        )
        self.rows = self._rows()
        device = self.accelerator.device
        self.real = self._encoded(images)
        self.of_class = None if class_images is None else self._encoded(class_images)
        self.ema = self._average_network() if self.settings.ema_decay else None
        self.offloaded = self._save_memory()
        away = {hook.model for hook in self.offloaded}
        for module in method.modules():
            if module not in away:
                module.to(device)
        if self.settings.compile:
            compile_networks(method.backbones())
        self.parameters = {group: method.trained(group) for group in method.groups}
        self.optimisers = {
            group: new_optimiser(parameters, method.learning_rate(group), self.settings)
            for group, parameters in self.parameters.items()
        }
        self.updates = dict.fromkeys(method.groups, 0)
        self.seconds = 0.0
        self.stop = StopRequest()
        self.log = TrainingLog(folder / "state" / "training.csv")

    def _average_network(self) -> Backbone:
        """A copy of the student for its moving average; on its device what is frozen is shared."""
        student = self.method.student
        if self.settings.ema_on_host:
            return copy.deepcopy(student)
        frozen = [parameter for parameter in student.parameters() if not parameter.requires_grad]
        return sharing_copy(student, frozen).to(self.accelerator.device)

    def _save_memory(self) -> list[UserCpuOffloadHook]:
        """Prepare the networks as the settings want them; returns what takes teachers away."""
        settings, teachers = self.settings, self.method.frozen_teachers()
        if settings.gradient_checkpointing:
            checkpoint_activations(self.method.networks.values())
        if settings.bf16_teachers:
            store_in_bf16(teachers)
        return offload(teachers, self.accelerator.device) if settings.offload_teachers else []

    @property
    def total(self) -> int:
        """Iterations of the whole run."""
        return self.settings.student_updates * self.method.iterations_per_student_update

    @property
    def snapshots(self) -> list[int]:
        """Student updates after which a snapshot is kept: equal parts of the run, without its end.

        A run shorter than the snapshots asked for keeps one at each update.
        """
        parts, updates = self.settings.snapshots + 1, self.settings.student_updates
        kept = {round(updates * part / parts) for part in range(1, parts)}
        return sorted(kept - {0, updates})

    @property
    def result(self) -> nn.Module:
        """The network to sample and save: the moving average where there is one."""
        return self.method.student if self.ema is None else self.ema

    def run(self) -> dict:
        """Train to the end; returns counters and cost (seconds of `now`, updates, peak MB).

        Raises:
            UserError: a loss is not finite, or a checkpoint is unfit.
            Stopped: a signal asked for it; the checkpoint is written.
        """
        start = self._resume()
        if self.settings.trackers:
            self.accelerator.init_trackers("trackers", config={"spec": self.spec.model_dump_json()})
        bar = tqdm(
            range(start, self.total),
            initial=start,
            total=self.total,
            desc=f"{self.spec.label} · {self.spec.target} · seed {self.spec.seed}",
            unit="it",
            disable=not (self.progress and self.accelerator.is_main_process),
            mininterval=1.0,
        )
        with self.stop:
            for iteration in bar:
                began = now()
                self._iterate(iteration)
                self.seconds += now() - began
                self._after(iteration, bar)
        self.accelerator.end_training()
        return self._summary()

    def _iterate(self, iteration: int) -> None:
        """The parts of a batch go through each update side by side; then the weights move."""
        count = self.settings.gradient_accumulation
        first, *others = [self._step(iteration, number) for number in range(count)]
        for output in first:
            self._backward(output, iteration)
            for step in others:
                self._backward(next(step), iteration)
            self._update(output.group, iteration)

    def _step(self, iteration: int, number: int) -> Iterator[StepOutput]:
        """The updates of one of this process's parts of a batch."""
        count = self.settings.gradient_accumulation
        generator = PartGenerator(
            (self.spec.seed * 1_000_003 + iteration) * 1009,
            self.accelerator.process_index * count + number,
            self.accelerator.num_processes * count,
        )
        return self.method.step(self._real_batch(generator), iteration, generator)

    def _rows(self) -> int:
        """Images of a batch that one process computes at once."""
        images, processes = self.settings.batch_size, self.accelerator.num_processes
        parts = processes * self.settings.gradient_accumulation
        if images % parts:
            raise UserError(
                f"training.batch_size: {images} images cannot be shared by {processes} processes "
                f"of {self.settings.gradient_accumulation} parts; choose a multiple of {parts}"
            )
        return images // parts

    def _encoded(self, images: ImageSet) -> TrainingImages:
        codec, device = self.method.student.codec, self.accelerator.device
        return TrainingImages(images.images, codec, device, self.settings.horizontal_flip)

    def _real_batch(self, generator: torch.Generator) -> Batch:
        x0, chosen = self.real.draw(self.rows, generator)
        of_class = None if self.of_class is None else self.of_class.draw(self.rows, generator)[0]
        return self.method.batch(x0, of_class, chosen)

    def _backward(self, output: StepOutput, iteration: int) -> None:
        """Add the gradients of a part.

        Its loss is not divided by the number of parts: a hook on a gradient, such as that of
        ``gan_gradient_ratio``, must see the loss's own. `_average` divides.
        """
        for name, loss in output.losses.items():
            self._check_finite(name, loss, iteration)
        if output.group == "student":
            for teacher in self.offloaded:
                teacher.offload()
        self.accelerator.backward(output.total, inputs=self.parameters[output.group])
        self.log.add({name: loss.detach() for name, loss in output.losses.items()})
        self.log.add(output.logs)

    def _update(self, name: str, iteration: int) -> None:
        """Step the optimiser of a group with the gradients that were added up."""
        parameters, optimiser = self.parameters[name], self.optimisers[name]
        self._average([p.grad for p in parameters if p.grad is not None])
        norm = nn.utils.clip_grad_norm_(parameters, self.settings.gradient_clip)
        self._check_finite(f"gradient of {name}", norm, iteration)
        for group in optimiser.param_groups:
            group["lr"] = self._rate(name, iteration)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        self.updates[name] += 1
        if name == "student" and self.ema is not None:
            decay = self.settings.ema_decay
            update_average(self.ema, self.method.student, decay, self.updates["student"])
        self.log.add({f"{name}_gradient_norm": norm})

    def _average(self, gradients: list[Tensor]) -> None:
        """The mean over parts and processes in place, sent as one tensor.

        Losses are means over a part's images, so this is the gradient of the batch's mean.
        """
        if self.settings.gradient_accumulation > 1:
            torch._foreach_div_(gradients, self.settings.gradient_accumulation)
        if self.accelerator.num_processes == 1:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        parts = self.accelerator.reduce(flat, "mean").split([g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _check_finite(self, name: str, value: Tensor, iteration: int) -> None:
        if torch.isfinite(value):
            return
        saved = checkpoints(self.folder / "state")
        kept = f"the last good checkpoint is {saved[-1]}" if saved else "no checkpoint yet"
        raise UserError(
            f"{self.folder}: iteration {iteration}: {name} is {value.item()}; {kept}; "
            "try a smaller learning_rate or gradient_clip"
        )

    def _rate(self, group: str, iteration: int) -> float:
        """Warm-up counted in this group's own updates or in iterations; decay in the student's."""
        settings = self.settings
        rate = self.method.learning_rate(group)
        done = iteration if settings.warmup_counts == "iterations" else self.updates[group]
        rate *= min(1.0, (done + 1) / max(settings.warmup_updates, 1))
        left = settings.student_updates - self.updates["student"]
        return rate * min(1.0, left / settings.decay_updates) if settings.decay_updates else rate

    def _after(self, iteration: int, bar: tqdm) -> None:
        updates = self.updates["student"]
        ended = (iteration + 1) % self.method.iterations_per_student_update == 0
        last = iteration + 1 == self.total
        if not ended:
            return
        if last or updates % self.settings.log_every == 0:
            self._log(iteration + 1, bar)
        if self.accelerator.is_main_process:
            self._show(updates, last)
        asked = 0 if last else self._asked_to_stop()
        if last or asked or updates % self.settings.checkpoint_every == 0:
            self.save()
        if asked:
            bar.close()
            raise Stopped(asked, f"{self.folder}: stopped after {updates} student updates")

    def _asked_to_stop(self) -> int:
        """The number of the signal that came to any of the processes, 0 without one."""
        if self.accelerator.num_processes == 1:
            return self.stop.number
        own = torch.tensor([self.stop.number], device=self.accelerator.device)
        return int(self.accelerator.gather(own).max())

    def _show(self, updates: int, last: bool) -> None:
        """A grid and a snapshot, where one is due."""
        if self.settings.sample_every and (last or updates % self.settings.sample_every == 0):
            path = self.folder / "samples" / f"{updates:06d}.png"
            save_grid(self.method, self.result, path, self.accelerator.device)
        if self.keep is not None and updates in self.snapshots:
            self.keep(updates)

    def _log(self, iteration: int, bar: tqdm) -> None:
        """A line of means, over the processes too."""
        values = self.log.means()
        if self.accelerator.num_processes > 1:
            means = torch.tensor(list(values.values()), device=self.accelerator.device)
            means = self.accelerator.reduce(means, "mean").tolist()
            values = dict(zip(values, means, strict=True))
        if not self.accelerator.is_main_process:
            return
        self.log.write(iteration, self.seconds, values)
        self.accelerator.log(values, step=iteration)
        shown = {k: f"{v:.3g}" for k, v in values.items() if not k.endswith("norm")}
        bar.set_postfix(shown, refresh=False)

    def save(self) -> None:
        """Write a checkpoint; only right at the end of a round of iterations, in all processes."""
        sums = gather_object([self.log.sums])
        if not self.accelerator.is_main_process:
            return
        counters = {
            "iteration": self.updates["student"] * self.method.iterations_per_student_update,
            "updates": self.updates,
            "seconds": self.seconds,
            "log": self.log.lines,
            "sums": sums,
        }
        save_checkpoint(self.folder / "state", counters, self._modules(), self.optimisers)

    def _resume(self) -> int:
        saved = checkpoints(self.folder / "state")
        iteration = 0
        if saved:
            counters = load_checkpoint(saved[-1], self._modules(), self.optimisers)
            self.updates, self.seconds = counters["updates"], counters["seconds"]
            iteration = counters["iteration"]
            own = self.accelerator.process_index
            self.log.restore(counters["log"], dict(enumerate(counters["sums"])).get(own, {}))
        if self.accelerator.is_main_process:
            self.log.start()
        return iteration

    def _modules(self) -> dict[str, nn.Module]:
        modules = dict(self.method.networks.items())
        return modules if self.ema is None else modules | {"ema": self.ema}

    def _summary(self) -> dict:
        if torch.cuda.is_available():
            peak = torch.cuda.max_memory_allocated() / 2**20
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "iterations": self.total,
            "updates": self.updates,
            "seconds": round(self.seconds, 3),
            "seconds_per_iteration": self.seconds / self.total,
            "peak_memory_mb": round(peak, 1),
            "parameters": sum(
                weight.numel()
                for name, weight in self.method.student.named_parameters()
                if ".lora_" not in name  # adapters are merged into the exported model
            ),
        }
