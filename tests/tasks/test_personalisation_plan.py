import json
from pathlib import Path

import pytest
import yaml

from unidad.config.images import SUBJECTS
from unidad.errors import UserError
from unidad.experiment.load import load_config, parse_config
from unidad.methods.specs import load_spec
from unidad.plan import Plan
from unidad.synthetic.scenes import LIVE
from unidad.synthetic.scenes import SUBJECTS as SCENES
from unidad.tasks.generation import Generation
from unidad.tasks.personalisation import Personalisation
from unidad.tasks.rows import Run

ROOT = Path(__file__).parents[2]


def plan(**changes):
    raw = yaml.safe_load((ROOT / "configs/sdp.yaml").read_text())
    return Plan(parse_config(raw | {"tables": {}} | changes, "c"))


def run(label):
    return Run("cat", 5, label, 0)


def test_the_configuration_s_subjects_are_the_renderer_s():
    assert {name: subject.category for name, subject in SCENES.items()} == SUBJECTS


def test_a_configuration_decides_its_kind_of_plan():
    assert isinstance(plan().task, Personalisation)
    assert isinstance(Plan(load_config(ROOT / "config.yaml")).task, Generation)


def test_a_run_s_snapshots_are_followed_at_its_trained_steps():
    p = plan(training={"snapshots": 2})
    rows = [row for row in p.rows() if row.label == "Uni-DAD"]
    spec = p.row_spec(rows[0])
    key = rows[0].run.key
    assert spec["snapshots"] == f"{p.root}/runs/{key}/snapshots"
    assert spec["trajectory"] == f"{p.root}/trajectories/{key}.json"
    assert spec["drawing"].endswith(f"specs/evaluation/{rows[0].target}/subject.json")
    assert plan().row_spec(rows[0])["trajectory"] is None


def test_prompts_name_the_subject_with_and_without_its_token():
    p = plan()
    assert len(p.task.prompts("cat")) == len(p.task.prompts("teapot")) == 25
    assert p.task.prompts("cat")[10] == "a prt cat wearing a red hat"
    assert p.task.prompts("cat", token=False)[10] == "a cat wearing a red hat"
    dressed = [prompt for prompt in p.task.prompts("teapot") if "wearing" in prompt]
    assert not dressed
    assert {"cat", "dog"} == set(LIVE)


def test_a_run_reads_prompts_and_starts_from_the_source_s_models():
    p = plan()
    spec = p.spec(run("Uni-DAD"))
    assert spec.student == "results/sdp/models/source_student"
    assert spec.teacher == "results/sdp/models/source_teacher"
    assert spec.text_to_image.prompts.target == "a prt cat"
    assert spec.text_to_image.prompts.source == "a cat"
    assert spec.variant.dmd_target_share == 0.75
    assert p.source_models(run("Uni-DAD")) == [spec.teacher, spec.student]
    assert p.source_models(run("FT")) == [spec.teacher]


def test_prior_preservation_is_for_fine_tuning_alone():
    p = plan(personalisation={"prior": {"images": 8, "weight": 0.5}})
    images = "results/sdp/samples/cat/class_images.npz"
    assert p.spec(run("FT")).text_to_image.prior.images == images
    assert p.task.image_sets(run("FT")) == ["results/sdp/data/cat/shots5.npz", images]
    assert p.task.image_sets(run("Uni-DAD")) == ["results/sdp/data/cat/shots5.npz"]
    settings = json.loads(p.specs()["results/sdp/specs/evaluation/cat/class_images.json"])
    assert settings["prompts"] == ["a cat"]
    assert settings["images_per_prompt"] == 8


def test_models_of_the_source_are_asked_for_the_class():
    p = plan()
    rows = {row.label: row for row in p.rows() if row.target == "cat"}
    folder = "results/sdp/specs/evaluation/cat"
    assert p.task.drawing_spec(rows["Source teacher"].images) == f"{folder}/class.json"
    assert p.task.drawing_spec(rows["Source student"].images) == f"{folder}/class.json"
    assert p.task.drawing_spec(rows["Uni-DAD"].images) == f"{folder}/subject.json"
    assert rows["Source student"].nfe == 1
    assert rows["Held-out images"].images == "data/cat/held_out.npz"


def test_a_student_of_the_source_is_drawn_only_where_a_variant_starts_from_it():
    variants = {"FT": {"method": "finetune", "nfe": 25}}
    labels = {row.label for row in plan(variants=variants).rows()}
    assert labels == {"Source teacher", "Held-out images", "Training images", "FT"}


def test_how_fidelity_is_measured_is_in_rows_and_prompts_alone():
    changes = {"clip_t_prompt": "subject", "measured_photos": 4, "measured_images": 3}
    p, plain = plan(personalisation=changes), plan()
    row = next(row for row in p.rows() if row.label == "Uni-DAD")
    assert p.row_spec(row) == plain.row_spec(row) | changes
    more = set(p.specs()) - set(plain.specs())
    assert more == {
        f"results/sdp/specs/evaluation/{name}/measured.json" for name in p.config.targets
    }
    prompts = json.loads(p.specs()["results/sdp/specs/evaluation/cat/measured.json"])["prompts"]
    assert prompts == p.task.prompts("cat")


def test_where_a_subject_s_word_starts_reaches_the_run_that_learns_one():
    targets = {"cat": {"subject": "cat", "word_start": "kitten"}}
    p = plan(targets=targets)
    assert p.spec(run("EchoDistill")).text_to_image.prompts.word_start == "kitten"
    assert p.spec(run("FT")).text_to_image.prompts.word_start is None
    assert p.task.words()["targets.cat.word_start"] == "kitten"


def test_a_bare_unet_replaces_the_student_s_own():
    p = plan(personalisation={"student_unet": "dmd2.bin"})
    assert p.spec(run("Uni-DAD")).text_to_image.unet_weights == "dmd2.bin"
    assert p.spec(run("FT")).text_to_image.unet_weights is None


def test_weights_of_a_fake_score_go_where_it_tracks_a_distilled_student():
    p = plan(personalisation={"fake_score_weights": "guide.bin", "fake_score_prefix": "fake."})
    text = p.spec(run("Uni-DAD")).text_to_image
    assert (text.fake_score_weights, text.fake_score_prefix) == ("guide.bin", "fake.")
    others = [run(name) for name in p.config.variants if not name.startswith("Uni-DAD")]
    assert {p.spec(other).text_to_image.fake_score_weights for other in others} == {None}
    assert '"fake_score_weights"' not in plan().spec(run("Uni-DAD")).model_dump_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"personalisation": {"fake_score_prefix": "fake."}},
            "'fake_score_prefix' goes with 'fake_score_weights'",
        ),
        ({"personalisation": None}, "targets.cat: a subject needs the section 'personalisation'"),
        ({"targets": {"babies": {"domain": "babies"}}}, "targets.babies: personalisation needs"),
        ({"targets": {"mine": {"folder": "photos"}}}, "'folder' with 'class_word'"),
        ({"targets": {"cat": {"subject": "cow"}}}, "targets.cat.subject: Input should be"),
        (
            {"variants": {"D": {"method": "dmd2", "nfe": 1, "domain": "source"}}},
            "variants.D.domain: personalisation starts from source_teacher or source_student",
        ),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(")) as error:
        plan(**changes)
    assert "\n" not in str(error.value)


def test_echodistill_starts_from_student_and_teacher_of_the_source_unless_told_otherwise():
    echo = {"method": "echodistill", "nfe": 1, "echo_updates": 50}
    echo |= {"training": {"learning_rate": 2e-5}}
    own = echo | {"features": {"clip": "my-clip"}, "student": "source_teacher", "teacher": "FT"}
    p = plan(variants={"FT": {"method": "finetune", "nfe": 25}, "Echo": echo, "Own": own})
    spec, models = p.spec(run("Echo")), "results/sdp/models"
    assert spec.student == f"{models}/source_student"
    assert spec.teacher == f"{models}/source_teacher"
    assert spec.variant.features == {"clip": "shipped", "encoder": "shipped"}
    assert spec.variant.training.student_updates == p.config.training.student_updates
    assert spec.variant.training.learning_rate == 2e-5
    assert p.source_models(run("Echo")) == [spec.teacher, spec.student]
    assert p.dependencies(run("Echo")) == {}
    assert p.spec(run("Own")).teacher == "results/sdp/runs/cat/shots5/ft/seed0/model"
    assert p.dependencies(run("Own")) == {"teacher": run("FT")}
    assert p.source_models(run("Own")) == [f"{models}/source_teacher"]


def test_source_models_are_trained_from_one_another_as_the_shipped_ones_were():
    p = plan(source_teacher="train", source_student="train", resolution=64, source={"images": 9})
    models, data = "results/sdp/models", "results/sdp/data/source/train.npz"
    specs = p.task.source_specs()
    assert list(specs) == ["source_teacher", "source_student"]
    teacher, student = specs.values()
    assert (teacher.data, teacher.student, teacher.teacher) == (data, f"{models}/untrained", None)
    assert {student.student, student.teacher} == {f"{models}/source_teacher"}
    assert (student.variant.method, student.resolution) == ("dmd2", 64)
    shipped = load_spec("configs/specs/scenes_source.json")
    assert (teacher.variant, teacher.text_to_image) == (shipped.variant, shipped.text_to_image)
    written = {path: json.loads(text) for path, text in p.specs().items()}
    source = written["results/sdp/specs/data/source.json"]
    assert (source["domain"], source["images"], source["resolution"]) == ("scenes", 9, 64)
    assert written["results/sdp/specs/models/text_clip.json"]["patch_size"] == 4
    measuring = {"origin": "shipped:synthetic-scenes-clip"}
    assert written["results/sdp/specs/models/clip.json"] == measuring
    assert p.data_sets == ["source", "cat", "teapot"]


def test_nothing_is_trained_on_the_source_unless_wanted():
    p = plan()
    assert p.task.source_specs() == {}
    assert p.data_sets == ["cat", "teapot"]
    assert p.task.trained_networks() == {}
    assert list(p.task.placed()) == ["source_teacher", "source_student", "clip", "encoder"]


def test_echodistill_sees_with_the_networks_that_are_trained():
    echo = {"method": "echodistill", "nfe": 1, "echo_updates": 50}
    own = echo | {"features": {"clip": "my-clip", "encoder": "shipped"}}
    trained = {"source_teacher": "train", "source_student": "train", "feature_network": "train"}
    p = plan(variants={"Echo": echo, "Own": own}, **trained)
    models = "results/sdp/models"
    features = {"clip": f"{models}/text_clip", "encoder": f"{models}/encoder"}
    assert p.spec(run("Echo")).variant.features == features
    assert set(features.values()) < set(p.source_models(run("Echo")))
    assert p.spec(run("Own")).variant.features == features | {"clip": "my-clip"}
    assert "my-clip" not in p.source_models(run("Own"))
    half = plan(variants={"Echo": echo}, feature_network="train").spec(run("Echo"))
    assert half.variant.features == {"clip": "shipped", "encoder": f"{models}/encoder"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source_teacher": "train"}, "source_student: the shipped one has another autoencoder"),
        (
            {"source_student": "train", "source": {"folder": "photos"}},
            "source.folder: personalisation does not use this key; few-shot generation would",
        ),
        (
            {"feature_network": "train", "personalisation": {"protocol": "unidad"}},
            "feature_network: protocol unidad measures with published networks",
        ),
        (
            {"personalisation": {"scene_models": {"text_clip": {"scenes": 100}}}},
            "personalisation.scene_models.text_clip: a batch of 256 needs at least 128 scenes",
        ),
        (
            {
                "source_student": "train",
                "personalisation": {"scene_models": {"source_student": "none.json"}},
            },
            "none.json: no such run specification",
        ),
    ],
)
def test_what_cannot_be_trained_is_named(changes, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(")) as error:
        plan(**changes).specs()
    assert "\n" not in str(error.value)


def test_a_folder_and_a_class_word_are_all_it_takes():
    """Timesteps, prompts of living subjects and 25 of them, without another word."""
    raw = {"experiment": "x", "personalisation": {}, "shots": [5]}
    raw |= {"variants": {"FT": {"method": "finetune", "nfe": 25}}}
    raw |= {"targets": {"mycat": {"folder": "photos", "class_word": "cat"}}}
    p = Plan(parse_config(raw, "c"))
    assert p.spec(Run("mycat", 5, "FT", 0)).diffusion.spacing == "timesteps"
    assert p.task.prompts("mycat")[10] == "a prt cat wearing a red hat"
    assert p.has_reference("mycat") is False


def test_adapters_are_for_every_run():
    p = plan(personalisation={"lora": {"rank": 4, "layers": "all"}})
    found = [p.spec(run(label)).text_to_image.lora for label in p.config.variants]
    assert [(lora.rank, lora.layers) for lora in found] == [(4, "all")] * 6
    assert plan().spec(run("FT")).text_to_image.lora is None


@pytest.mark.parametrize(
    ("word", "live", "dressed"),
    [("cat", None, True), ("cat", False, False), ("vase", None, False), ("vase", True, True)],
)
def test_a_class_has_the_prompts_of_living_subjects_or_of_objects(word, live, dressed):
    mine = {"folder": "photos", "class_word": word, "live": live}
    prompts = plan(targets={"mine": mine}).task.prompts("mine")
    assert any("wearing a red hat" in prompt for prompt in prompts) == dressed


def test_settings_that_do_not_go_together_are_one_line_with_their_variant():
    two = {"method": "unidad", "student": "source_student", "nfe": 2}
    with pytest.raises(UserError, match=r"variants.Two.nfe: .* draw in one step, found 2") as error:
        plan(variants={"Two": two})
    assert "\n" not in str(error.value)
