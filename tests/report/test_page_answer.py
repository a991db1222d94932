import pandas as pd
import pytest
from report_fakes import fake_results, result

from unidad.metrics.registry import METRICS
from unidad.report.comparison import comparison, with_mean_of_targets
from unidad.report.page.answer import findings, headline

COLUMNS = [METRICS[name].column for name in ("frechet_distance", "memorisation")]


def found_in(metrics):
    return findings(comparison(metrics), COLUMNS, "synthetic features")


def of_seeds(variant, target="babies", distances=(5.0,), **values):
    return [
        result(variant, seed, target=target, frechet_distance=distance, **values)
        for seed, distance in enumerate(distances)
    ]


def test_what_learns_the_source_is_no_target():
    metrics = of_seeds("Uni-DAD") + of_seeds("FT", distances=[7.0])
    metrics += of_seeds("DMD2", target="source", shots=None)
    metrics += of_seeds("DMD", target="source", distances=[9.0], shots=None)
    found = found_in(metrics)
    assert [finding.best for finding in found] == ["Uni-DAD", "DMD2"]
    assert headline(found) == "Uni-DAD is ahead."
    assert headline([found[1]]) == "DMD2 is ahead."


def test_what_was_trained_alone_is_ahead_of_nothing():
    (found,) = found_in([*of_seeds("Uni-DAD", memorisation=0.1), result("Source teacher")])
    assert headline([found]) == "Uni-DAD was trained alone: the images tell how good it is."
    assert found.more == "Other measures: memorisation 0.100 (lower is better)."


def test_what_was_trained_alone_is_asked_whether_it_copies():
    found = found_in([*of_seeds("A", near_copies=0.03), *of_seeds("A", "cats", near_copies=0.25)])
    told = "A was trained alone; {} of its images are nearly a training image: "
    end = "the images tell how good it is."
    assert headline(found[:1]) == told.format("3%") + end
    assert headline(found) == told.format("25%") + end


@pytest.mark.parametrize(
    ("best", "said"),
    [
        (["A", "A"], "A is ahead on both targets."),
        (["A", "A", "A"], "A is ahead on all 3 targets."),
        (["A", "B", "A"], "A is ahead on 2 of 3 targets."),
        (["A", "B"], "A and B are ahead on 1 of 2 targets each."),
    ],
)
def test_the_headline_counts_targets(best, said):
    metrics = [
        content
        for place, ahead in enumerate(best)
        for variant in "AB"
        for content in of_seeds(variant, f"t{place}", [3.0 if variant == ahead else 4.0])
    ]
    assert headline(found_in(metrics)) == said


def test_a_lead_within_the_spread_over_seeds_is_said_to_be():
    metrics = of_seeds("A", distances=[4.0, 6.0]) + of_seeds("B", distances=[5.0, 6.0])
    (close,) = found_in(metrics)
    assert close.close
    assert "within the spread over seeds" in close.text
    assert headline([close]) == "A is ahead, but by less than the spread over seeds."
    metrics += of_seeds("A", "cats", [2.0, 2.1]) + of_seeds("B", "cats", [9.0, 9.1])
    assert headline(found_in(metrics)) == (
        "A is ahead on both targets, but by less than the spread over seeds on 1 of these targets."
    )


def test_one_seed_says_nothing_of_chance_in_the_headline():
    (found,) = found_in(of_seeds("A") + of_seeds("B", distances=[5.01]))
    assert "one seed: small differences may be chance" in found.text
    assert headline([found]) == "A is ahead."


def test_the_mean_over_targets_decides_where_there_is_one():
    metrics = with_mean_of_targets(fake_results(), "mean of subjects")
    said = headline(found_in(metrics), "mean of subjects")
    assert said.startswith("FT is ahead, as a mean over the targets")


def test_equal_by_another_measure_are_all_named():
    metrics = [*of_seeds("A", memorisation=0.0), *of_seeds("B", distances=[6.0], memorisation=0.0)]
    (found,) = found_in(metrics)
    assert "memorisation (lower): A and B, 0.000" in found.more


def test_real_images_of_another_number_are_not_compared():
    held_out = result("Held-out images", nfe=None, frechet_distance=0.2)
    few = held_out | {"samples": 10}
    assert "reach 0.20" in found_in([*of_seeds("A"), held_out])[0].text
    assert "reach" not in found_in([*of_seeds("A"), few])[0].text


def test_nothing_ranked_is_said():
    metrics = of_seeds("A", domain_share=0.1)
    assert headline(found_in(metrics)) == "No trained variant draws its target."
    assert not pd.isna(found_in(metrics)[0].text)
