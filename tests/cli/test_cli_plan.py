"""`plan`: what it tells and writes, and mistakes in a configuration."""

from pathlib import Path


def test_plan_tells_runs_in_their_order(config, told):
    """Rows: three controls and two variants."""
    status, out, err = told("plan", "--config", config())
    assert (status, err) == (0, [])
    assert out == [
        "2 training runs, 5 measured rows, under results/tiny/",
        "  babies/shots10/ft/seed0: finetune, 7 student updates",
        "  babies/shots10/ft-dmd2/seed0: dmd2, 1000 student updates, after FT",
    ]
    assert not Path("results").exists()
    assert told("plan", "--config", config(), "--root")[1] == ["results/tiny"]


def test_plan_writes_specifications_once(config, told):
    out = told("plan", "--config", config(), "--write")[1]
    written = sorted(Path("results/tiny/specs").rglob("*.json"))
    assert out[-1] == f"{len(written)} specifications written or changed"
    assert Path("results/tiny/specs/runs/babies/shots10/ft/seed0.json") in written
    assert told("plan", "--config", config(), "--write")[1][-1].startswith("0 specifications")


def test_mistakes_in_a_configuration(config, complains):
    complains(("plan", "--config", "no.yaml"), "no.yaml: no such configuration file")
    plan = ("plan", "--write", "--config")
    complains(
        (*plan, config(experimnt="x")), "tiny.yaml, line ", "experimnt: unknown key; did you mean"
    )
    complains((*plan, config(resolution=33)), "tiny.yaml, line 2: resolution: ", "16, found 33")
    complains(("report", "--config", config()), "results/tiny/metrics/", "no such metrics")


def test_summary_tells_what_it_costs(config, told):
    Path("rates.csv").write_text(
        "method,resolution,batch_size,seconds,device\nfinetune,32,8,3600,x\ndmd2,32,8,0,x\n"
    )
    status, out, err = told("plan", "--config", config(), "--summary", "--rates", "rates.csv")
    assert (status, err, len(out)) == (0, [], 4)
    assert out[0] == "2 training runs, 5 measured rows, under results/tiny/"
    assert out[1] == (
        "GPU hours: at least 7.0; no rate of sampling at this size, neither in rates.csv nor from "
        "a finished run"
    )
    assert out[2] == "rates: dmd2, finetune from rates.csv (x)"
    assert out[3] == (
        "disk: images and features 0.0 GB, models 0.0 GB, and 0.2 GB while a run trains"
    )


def test_doctor_s_status_tells_whether_something_is_missing(config, told):
    status, out, err = told("doctor", "--config", config())
    assert (status, err) == (0, [])
    assert "ok      source_teacher: shipped" in out
    missing = config(targets={"mine": {"folder": "photos"}})
    status, out, err = told("doctor", "--config", missing)
    assert (status, err) == (1, [])
    assert "missing mine.folder: photos is not there; docs/paper.md tells where to get it" in out
