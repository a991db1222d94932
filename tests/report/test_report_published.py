import pytest

from unidad.report.published import METRICS, TARGETS, _rows, published_value


@pytest.mark.parametrize(
    ("target", "variant", "metric", "value"),
    [
        ("babies", "Uni-DAD", "frechet_distance", 45.09),
        ("babies", "FT", "frechet_distance", 57.06),
        ("sunglasses", "Uni-DAD (no target teacher)", "frechet_distance", 22.57),
        ("portraits", "FT-DMD2", "frechet_distance", 63.25),
        ("metfaces", "FT-DMD2", "frechet_distance", 63.25),
        ("cats", "DMD2-FT", "frechet_distance", 89.32),
        ("babies", "DMD2-FT", "intra_lpips", 0.08),
        ("sunglasses", "Uni-DAD", "intra_lpips", 0.54),
    ],
)
def test_main_table(target, variant, metric, value):
    found = published_value(target, variant, metric)
    assert found.value == value
    assert found.table == "1"


@pytest.mark.parametrize(
    ("nfe", "shots", "value"), [(3, 5, 52.73), (4, 10, 41.39), (1, 1, 109.55), (3, 10, 45.09)]
)
def test_other_steps_and_shots_come_from_the_ablation(nfe, shots, value):
    found = published_value("babies", "Uni-DAD", "frechet_distance", nfe, shots)
    assert found.value == value


@pytest.mark.parametrize(
    ("target", "variant", "metric", "nfe"),
    [
        ("portraits", "Uni-DAD", "intra_lpips", 3),  # no such column in the paper
        ("babies", "Uni-DAD", "kernel_distance", 3),
        ("babies", "FT", "frechet_distance", 50),
        ("dogs", "Uni-DAD", "frechet_distance", 3),
        ("babies", "Source teacher", "frechet_distance", 25),
    ],
)
def test_what_the_paper_does_not_report(target, variant, metric, nfe):
    assert published_value(target, variant, metric, nfe) is None


def test_notes_are_kept():
    value = published_value("portraits", "DMD2-FT", "frechet_distance")
    assert value.note == "another transcription has 69.41"
    assert published_value("babies", "FT", "frechet_distance").note == ""


def test_every_row_is_of_a_known_kind():
    rows = _rows()
    assert {row["target"] for row in rows} == {*TARGETS.values(), ""}
    assert {row["metric"] for row in rows} >= set(METRICS.values())
    assert sum(row["table"] == "1" and row["metric"] == "FID" for row in rows) == 26
    assert sum(row["table"] == "1" and row["metric"] == "Intra-LPIPS" for row in rows) == 14
