"""Which snapshot is the first that is good enough."""

import json

import pytest
from report_fakes import result

from benchmarks.time_to_quality import main, minutes_to, page


def at(updates, distance, copies):
    values = {"frechet_distance": distance, "memorisation": copies}
    return {"updates": updates, "metrics": values}


@pytest.fixture
def metrics():
    """60 of 90 seconds are the run's own 600 updates: 0.5 minutes before, 0.1 for a hundred."""
    slow = result("slow", frechet_distance=4.0, memorisation=0.0)
    quick = result(
        "quick",
        frechet_distance=3.0,
        memorisation=0.5,
        trajectory=[at(100, 4.0, 0.02), at(200, 4.5, 0.01), at(300, 2.0, 0.0)],
    )
    never = result("never", frechet_distance=3.0, memorisation=0.02, trajectory=[at(100, 9, 0.0)])
    return [quick, slow, never]


def test_copies_do_not_count_and_stages_before_do(metrics):
    found = minutes_to(metrics, 5.0, ["slow", "quick", "never"]).set_index("variant")
    assert list(found.index) == ["slow", "quick", "never"]
    assert found.loc["quick", ["updates", "distance", "copies"]].tolist() == [200, 4.5, 0.01]
    assert found["minutes"].tolist() == pytest.approx(
        [1.5, 0.5 + 0.2 * 5 / 3, float("nan")], nan_ok=True
    )


def test_a_stricter_distance_is_reached_later(metrics):
    found = minutes_to(metrics, 2.5, []).set_index("variant")
    assert found.loc["quick", "updates"] == 300
    assert found.loc["slow"].isna().sum() == 4


def test_the_page_says_how_much_sooner(metrics, tmp_path, capsys):
    for content in metrics:
        path = tmp_path / "metrics" / content["run"]["variant"] / "seed0.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    (tmp_path / "specs").mkdir()
    variants = {"slow": {}, "quick": {}, "never": {}}
    (tmp_path / "specs" / "config.json").write_text(json.dumps({"variants": variants}))
    main([str(tmp_path), "--distance", "5", "--against", "slow"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| babies")]
    assert rows == [
        "| babies | slow | 1.5 | 600 | 4.00 | 0.000 | 1.0× |",
        "| babies | quick | 0.8 | 200 | 4.50 | 0.010 | 1.8× |",
        "| babies | never | not reached |  |  |  | – |",
    ]
    assert "sooner" not in page(minutes_to(metrics, 5.0, []), 5.0)
