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
    complains((*plan, config(experimnt="x")), "tiny.yaml: experimnt: unknown key")
    complains((*plan, config(resolution=33)), "tiny.yaml: resolution: ", "16, found 33")
    complains(("report", "--config", config()), "results/tiny/metrics/", "no such metrics")
