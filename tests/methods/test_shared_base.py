"""Adapters of several networks over one frozen network."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from unidad.data.image_set import ImageSet
from unidad.networks.folder import WEIGHTS_NAME
from unidad.training.build import build_method
from unidad.training.checkpoint import checkpoints
from unidad.training.loop import Trainer

NETWORKS = ("student", "fake_score", "teacher", "target_teacher")
LORA = {"lora": {"rank": 2}}


@pytest.fixture
def spec(make_subject_spec):
    return make_subject_spec("unidad", {"learning_rate": 1e-2, "ema_decay": 0.5}, LORA)


def trainer_of(spec, method, folder) -> Trainer:
    return Trainer(spec, method, ImageSet.load(spec.data), folder, progress=False)


def frozen_storages(method, names=NETWORKS) -> list[set[int]]:
    networks = [getattr(method, name) for name in names]
    return [{p.data_ptr() for p in n.parameters() if not p.requires_grad} for n in networks]


def separate(method) -> None:
    """Give each network frozen weights of its own, as separate copies have them."""
    for name in NETWORKS:
        for module in getattr(method, name).modules():
            for key, parameter in module._parameters.items():
                if parameter is not None and not parameter.requires_grad:
                    own = nn.Parameter(parameter.detach().clone(), requires_grad=False)
                    module._parameters[key] = own


def test_all_networks_stand_on_the_same_weights(spec, tiny_unet):
    method = build_method(spec)
    student, *others = frozen_storages(method)
    assert len(student) == len(list(tiny_unet.parameters()))
    assert others == [student] * 3
    adapters = [list(method.networks[name].named_parameters()) for name in method.networks]
    trained = [id(p) for network in adapters for _, p in network if p.requires_grad]
    assert len(trained) == len(set(trained)) == 3 * 2 * 4 * 4 * 2 + 2 * 3


def test_training_is_that_of_separate_copies_to_the_bit(spec, tmp_path):
    shared, copied = build_method(spec), build_method(spec)
    separate(copied)
    assert not set.intersection(*frozen_storages(copied))
    found, expected = (
        trainer_of(spec, method, tmp_path / name)
        for method, name in ((shared, "shared"), (copied, "copied"))
    )
    base = {name: t.clone() for name, t in shared.teacher.state_dict().items()}
    summaries = [trainer.run() for trainer in (found, expected)]
    assert summaries[0]["updates"] == {"student": 4, "fake_score": 8, "target_teacher": 4}
    for network in shared.networks:
        states = [method.networks[network].state_dict() for method in (shared, copied)]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    averages = [trainer.ema.state_dict() for trainer in (found, expected)]
    assert all(torch.equal(averages[0][name], averages[1][name]) for name in averages[0])
    assert all(torch.equal(base[n], t) for n, t in shared.teacher.state_dict().items())
    moved = shared.student.model.state_dict()
    assert all(moved[name].any() for name in moved if ".lora_B." in name)


def test_checkpoints_hold_adapters_and_heads_alone_and_bring_them_back(spec, tmp_path):
    trainer = trainer_of(spec, build_method(spec), tmp_path)
    trainer.run()
    (path,) = checkpoints(tmp_path / "state")
    names = {name.removeprefix("module/") for name in load_file(path) if "module/" in name}
    assert all(".lora_" in n for n in names if not n.startswith("discriminator/"))
    assert {name.split("/")[0] for name in names} == {*trainer.method.networks, "ema"}
    again = trainer_of(spec, build_method(spec), tmp_path)
    assert again._resume() == trainer.total
    for first, second in (
        (trainer.ema, again.ema),
        (trainer.method.networks, again.method.networks),
    ):
        states = first.state_dict(), second.state_dict()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_moving_average_shares_what_is_frozen(spec, tmp_path):
    trainer = trainer_of(spec, build_method(spec), tmp_path)
    student, average = trainer.method.student, trainer.ema
    for (name, a), (_, b) in zip(
        student.named_parameters(), average.named_parameters(), strict=True
    ):
        assert (a is b) == (not a.requires_grad), name


def test_a_distilled_student_stands_on_weights_of_its_own(
    make_subject_spec, stable_diffusion, tmp_path
):
    """It shares them with the fake score; the two teachers share theirs."""
    weights = load_file(stable_diffusion / "unet" / WEIGHTS_NAME)
    weights["conv_in.bias"] += 1
    save_file(weights, tmp_path / "distilled.safetensors")
    settings = LORA | {"unet_weights": str(tmp_path / "distilled.safetensors")}
    method = build_method(make_subject_spec("unidad", settings=settings))
    student, fake_score, teacher, target_teacher = frozen_storages(method)
    assert student == fake_score
    assert teacher == target_teacher
    assert student.isdisjoint(teacher)
    assert method.frozen_teachers() == []
    assert build_method(make_subject_spec("dmd2", settings=settings)).frozen_teachers()


def test_echodistill_s_teacher_and_student_stand_on_the_same_weights(make_echo_spec):
    method = build_method(make_echo_spec(settings=LORA))
    student, teacher = frozen_storages(method, ("student", "teacher"))
    assert student == teacher
