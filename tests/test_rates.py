"""Rates from a table and from an experiment's own finished runs."""

import pytest

from unidad.errors import UserError
from unidad.experiment.load import parse_config
from unidad.files import write_json
from unidad.plan import Plan
from unidad.rates import OWN, Rate, finished_rates, known_rates, read_rates

TABLE = "method,resolution,batch_size,seconds,device\nfinetune,32,2,9,H200\ndmd2,32,2,7,H200\n"


@pytest.fixture
def plan(tmp_path):
    raw = {
        "experiment": "x",
        "targets": {"babies": {"domain": "babies"}, "cats": {"domain": "cats"}},
        "training": {"batch_size": 2},
        "variants": {"FT": {"method": "finetune", "nfe": 25}},
        "evaluation": {"batch_size": 10},
    }
    return Plan(parse_config(raw, "c"), str(tmp_path))


def finish(plan, target, seconds, updates):
    """What a run leaves behind."""
    summary = {"method": "finetune", "batch_size": 2, "seconds": seconds}
    file = f"{plan.root}/runs/{target}/shots10/ft/seed0/training.json"
    write_json(file, summary | {"updates": {"student": updates}})


def draw(plan, images, nfe, images_per_second):
    cost = {"nfe": nfe, "gflops_per_image": 1, "images_per_second": images_per_second}
    write_json(f"{plan.root}/samples/{images}/nfe{nfe}.json", cost)


def test_nothing_is_known_before_a_run_has_finished(plan, tmp_path):
    assert known_rates(plan, tmp_path / "nothing.csv") == {}


def test_finished_runs_give_their_mean(plan):
    """10 s for 100 updates and 80 s for 200: 0.3 s; 0.25 s and 0.5 s for 25 and 20: 1/60 s."""
    finish(plan, "babies", 10, 100)
    finish(plan, "cats", 80, 200)
    draw(plan, "babies/shots10/ft/seed0", 25, 4)
    draw(plan, "source/source-teacher", plan.config.evaluation.source_nfe, 2)
    found = finished_rates(plan)
    assert found.keys() == {("finetune", 32, 2), ("sampling", 32, 10)}
    assert found["finetune", 32, 2] == Rate(pytest.approx(0.3), OWN)
    evaluations = 25 + plan.config.evaluation.source_nfe
    assert found["sampling", 32, 10] == Rate(pytest.approx(0.75 / evaluations), OWN)


def test_own_rates_come_before_those_of_a_table(plan, tmp_path):
    (tmp_path / "rates.csv").write_text(TABLE)
    finish(plan, "babies", 10, 100)
    assert known_rates(plan, tmp_path / "rates.csv") == {
        ("finetune", 32, 2): Rate(0.1, OWN),
        ("dmd2", 32, 2): Rate(7, f"{tmp_path}/rates.csv (H200)"),
    }


def test_images_that_were_there_already_tell_no_rate(plan):
    draw(plan, "babies/shots10/ft/seed0", 25, None)
    assert finished_rates(plan) == {}


def test_damaged_summaries_and_other_tables_are_named(plan, tmp_path):
    file = f"{plan.root}/runs/cats/shots10/ft/seed0/training.json"
    write_json(file, {"method": "finetune", "batch_size": 2, "seconds": 3})
    with pytest.raises(UserError, match=rf"^{file}: no 'updates' in it; delete it and run"):
        finished_rates(plan)
    (tmp_path / "rates.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"rates\.csv: not a table of rates .* columns are method"):
        read_rates(tmp_path / "rates.csv")
