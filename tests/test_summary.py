"""The summary over datasets, of invented reports."""

import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from brl.comparison.statistics import holm
from brl.comparison.summary.table import chosen, differences, shared
from tests.command import brl, refused
from tests.summed import CONTROL, REFERENCE, Summed

REPORTS = Path("reports/comparisons")


@pytest.fixture
def summed(tmp_path, monkeypatch) -> Summed:
    monkeypatch.chdir(tmp_path)
    return Summed(tmp_path)


def summary() -> str:
    """The page; it is what is printed."""
    done = brl("compare", "--summary")
    assert done.exit_code == 0 and done.stderr == ""
    page = (REPORTS / "README.md").read_text(encoding="utf-8")
    assert done.stdout == page
    return page


def rows(page: str, heading: str) -> list[str]:
    """The rows of the tables below a heading, without their headings."""
    section = page.split(f"# {heading}\n")[1].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [line for line in lines if not line.startswith("| method ")]


def of_seeds(method: str, few: list[float], **values: object) -> list[dict[str, object]]:
    """The results of a method, with a seed for each few-shot accuracy."""
    return [{"method": method, "seed": s, "few": value} | values for s, value in enumerate(few)]


def test_accuracies_and_ranks_are_those_by_hand(summed):
    summed.report(
        "one", [*of_seeds(REFERENCE, [40.0, 44.0]), *of_seeds("brl", [60.0]),
                *of_seeds("best", [50.0, 50.0])],
    )  # fmt: skip
    summed.report("two", [*of_seeds(REFERENCE, [30.0]), *of_seeds("brl", [20.0])])
    page = summary()
    assert "reports of [one](one/README.md), [two](two/README.md).\n" in page
    half = 12.706 * 2  # Student's t, one degree of freedom, standard error 2
    assert rows(page, "Few-shot classes, joint") == [
        f"| {REFERENCE} | 1.5 | 1 | 42.0 ± {half:.1f} | 30.0 |",
        "| brl | 1.5 | 1 | 60.0 (1 of 2 seeds) | 20.0 |",
    ]  # best is on one dataset only
    assert rows(page, "All test clips (top-1), joint")[0] == (
        f"| {REFERENCE} | 1.5 | 2 | 50.0 ± 0.0 | 50.0 |"  # shared by both
    )
    table = pd.read_csv(REPORTS / "summary.csv").set_index(["what", "dataset", "method"])
    assert table.loc[("joint", "one", "brl"), "few_rank"] == 1
    assert table.loc[("joint", "two", "brl"), "few_rank"] == 2
    assert table.loc[("joint", "one", "brl"), "reference_few"] == 20  # of seed 0


def test_what_ranks_can_show_is_said(summed):
    for name in ("one", "two", "three"):
        summed.report(name, of_seeds("brl", [60.0]) + of_seeds(REFERENCE, [40.0]))
    assert (
        "2 methods are on all 3 datasets. If they were equally good, mean ranks would differ as "
        "much as here with p 0.250 (Friedman's test): these datasets do not show that any two of "
        "them differ." in summary()
    )
    for name in ("four", "five", "six"):
        summed.report(name, of_seeds("brl", [60.0]) + of_seeds(REFERENCE, [40.0]))
    page = summary()
    assert "p 0.031 (Friedman's test). Two of them differ at the 5 % level if" in page
    assert "more than 0.8 apart (Nemenyi's critical difference); these are: brl and cross" in page
    assert "p 1.000 (Friedman's test): these datasets do not" in page  # by top-1
    picture = imread(REPORTS / "ranks.png")
    halves = np.array_split((picture[..., :3] < 0.9).any(axis=2), 2, axis=1)
    assert min(half.mean() for half in halves) > 0.005


def test_one_dataset_has_no_ranks_to_compare(summed):
    summed.report("one", of_seeds("brl", [60.0]) + of_seeds(REFERENCE, [40.0]))
    page = summary()
    assert "Ranks say nothing yet" in page and "ranks.png" not in page
    assert "| brl | 1.0 | 1 | 60.0 |" in page
    assert not (REPORTS / "ranks.png").exists()


def test_a_dataset_without_few_shot_classes_has_no_few_shot_rank(summed):
    summed.report("one", [{"method": "brl", "top1": 60.0}, {"method": REFERENCE}])
    assert "### Few-shot classes, joint\n\nNo dataset has such classes.\n" in summary()
    summed.report("two", of_seeds("brl", [60.0]) + of_seeds(REFERENCE, [40.0]))
    assert "| brl | 1.0 | 1 | – | 60.0 |" in summary()


def test_differences_to_reference_and_control(summed):
    """A pair may name either method first; each is one test, though it may be shown twice."""
    methods = [REFERENCE, CONTROL, "brl"]
    results = [row for method in methods for row in of_seeds(method, [40.0, 42.0])]
    pairs = [
        {"method": CONTROL, "difference": 1.0, "low": -1.0, "high": 3.0, "p": 0.3},
        {"method": "brl", "difference": 5.0, "low": 3.0, "high": 7.0, "p": 0.01},
        {"method": CONTROL, "against": "brl", "difference": -4.0, "low": -6.0, "high": -2.5}
        | {"p": 0.02},
    ]
    summed.report("one", results, pairs)
    summed.report("two", results, [{"method": "brl", "difference": 2.0, "seeds": 1, "p": 0.001}])
    for name in ("one", "two"):
        summed.compare(name, methods, control=CONTROL)
    page = summary()
    assert f"`{CONTROL}` is the control" in page
    assert "corrected for the 3 differences of this page" in page
    assert rows(page, "Differences in top-1, joint") == [
        f"| {CONTROL} | +1.0 (-1.0 to +3.0), p 0.300 | – |",
        "| brl | **+5.0 (+3.0 to +7.0), p 0.030** | +2.0 |",  # one seed: no p
        f"| {REFERENCE} | -1.0 (-3.0 to +1.0), p 0.300 | – |",
        "| brl | **+4.0 (+2.5 to +6.0), p 0.040** | – |",
    ]
    assert rows(page, "Differences in few-shot accuracy, joint") == [
        f"| {CONTROL} | +0.0 ± 0.0 | +0.0 ± 0.0 |",
        "| brl | +0.0 ± 0.0 | +0.0 ± 0.0 |",
        f"| {REFERENCE} | +0.0 ± 0.0 | +0.0 ± 0.0 |",
        "| brl | +0.0 ± 0.0 | +0.0 ± 0.0 |",
    ]


@given(st.lists(st.tuples(*[st.floats(-9, 9), st.floats(0, 1), st.booleans()]), min_size=3))
def test_it_does_not_matter_which_method_a_pair_names_first(drawn):
    """All pairs of three methods on each dataset; a third of them are of no interest."""
    straight, turned = [], []
    names = [pair for pair in permutations("abc", 2) if pair[0] < pair[1]]
    for number, (difference, p, exchanged) in enumerate(drawn):
        dataset, (one, other) = number // 3, names[number % 3]
        row = {"what": "joint", "dataset": dataset, "seeds": 2, "p": p}
        there = {"method": one, "against": other, "difference": difference}
        there |= {"low": difference - 1, "high": difference + 2}
        back = {"method": other, "against": one, "difference": -difference}
        back |= {"low": -difference - 2, "high": 1 - difference}
        straight.append(row | there)
        turned.append(row | (back if exchanged else there))
    keys = ["dataset", "method", "against"]
    first, second = (
        differences(pd.DataFrame(pairs), ["a", "b"]).set_index(keys).sort_index()
        for pairs in (straight, turned)
    )
    pd.testing.assert_frame_equal(first, second)
    assert set(first.index.get_level_values("against")) == {"a", "b"}
    expected = holm(np.array([p for _, p, _ in drawn]))
    assert first.loc[(0, "b", "a"), "holm"] == pytest.approx(expected[0])


def test_what_a_gain_costs(summed):
    """Of common seeds: the reference lacks seed 1."""
    cheap, dear = {"steps": 100.0, "minutes": 10.0}, {"steps": 185.0, "minutes": 30.0}
    for name, few in (("one", 52.0), ("two", 54.0)):
        results = of_seeds(REFERENCE, [40.0], **cheap) + of_seeds("brl", [few, 99.0], **dear)
        summed.report(name, results, [{"method": "brl", "difference": 3.7}])
    half = 12.706  # Student's t, one degree of freedom, standard error 1
    assert rows(summary(), "What a gain costs, joint") == [
        f"| brl | 1.85 | 3.00 | +13.0 ± {half:.1f} | +7.0 | +3.7 ± 0.0 | +2.0 |"
    ]


def test_reports_without_steps_have_no_costs(summed):
    results = of_seeds(REFERENCE, [40.0]) + of_seeds("brl", [50.0])
    summed.report("one", results, [{"method": "brl", "difference": 3.0}])
    assert rows(summary(), "What a gain costs, joint") == ["| brl | – | – | +10.0 | – | +3.0 | – |"]


def test_classes_gain_by_their_size(summed):
    methods = ("brl", "best", "ldam_drw")
    results = [row for method in (REFERENCE, *methods) for row in of_seeds(method, [50.0])]
    classes = [
        {"method": method, "class": f"{size}", "training_clips": size, "gain": gain}
        for method, gains in {REFERENCE: [0.0] * 4, "brl": [10.0, 20.0, -1.0, float("nan")]}.items()
        for size, gain in zip((2, 4, 50, 20), gains, strict=True)
    ]
    summed.report("one", results[:3], (), classes)
    further = [{"method": m, "training_clips": 3, "gain": 5.0} for m in methods[1:]] + classes[:4]
    summed.report("two", results, (), further)
    page = summary()
    assert "| ldam_drw |" not in page
    assert "| method | 1–4 clips (3 classes) | 50 or more clips (1 classes) |" in page
    assert rows(page, "Which classes gain, joint") == [
        "| brl | +15.0 (2) | -1.0 |",
        "| best | +5.0 (1) | – |",
    ]  # ldam_drw is on one dataset only


def test_missing_reports_are_named(summed):
    summed.compare("later")
    summed.compare("other", summary=False)
    summed.report("one", of_seeds(REFERENCE, [40.0]) + of_seeds("brl", [50.0]))
    (REPORTS / "one/by_class.csv").unlink()
    page = summary()
    assert "No report yet: later. Accuracies by class are missing for one.\n" in page
    assert "other" not in page.split("\n")[2] and "Which classes gain" not in page


def test_fusions_are_those_of_most_datasets(summed):
    fused = [{"method": m, "what": w} for w in ("2 streams", "6 streams") for m in ("brl", "best")]
    joint = of_seeds(REFERENCE, [40.0]) + of_seeds("brl", [50.0])
    summed.report("one", joint + fused)
    summed.report("two", joint + fused[:3])  # of six streams one method is left
    summed.report("three", joint)
    page = summary()
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == ["## joint", "## 2 streams"]
    first = page.split("### All test clips (top-1), 2 streams\n\n")[1].partition("\n")[0]
    assert first == "| method | mean rank | best on | one | two |"


def test_the_largest_of_fusions_that_equally_many_datasets_have():
    methods = ["brl", "best"]
    results = pd.DataFrame(
        [
            {"what": what, "dataset": dataset, "method": method}
            for what in ("joint", "4 streams", "6 streams", "bone")
            for dataset in ("one", "two")
            for method in methods
        ]
    )
    assert chosen(results) == ["joint", "6 streams"]
    assert chosen(results[results["method"] == "brl"]) == ["joint"]
    assert len(shared(results)) == len(results)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda summed: None, "comparisons/: no comparison has `summary: true`"),
        (
            lambda summed: summed.compare("later"),
            "no report yet of later; first: brl compare later",
        ),
        (
            lambda summed: summed.compare("z", ["brl"], reference="brl"),
            f"comparisons/z.yaml: reference: brl, but one has {REFERENCE}; must be the same",
        ),
        (
            lambda summed: summed.report("two", of_seeds("brl", [40.0])),
            "comparisons/two.yaml: reference: cross_entropy is none of its methods",
        ),
        (
            lambda summed: [summed.report("two", of_seeds("brl", [40.0])), summed.compare("two")],
            "the reports of one, two have no method in common",
        ),
        (lambda summed: summed.compare("z", summary="x"), "comparisons/z.yaml: summary: must be"),
        (
            lambda summed: (REPORTS / "one/pairs.csv").unlink(),
            "reports/comparisons/one/pairs.csv: cannot be read; brl compare one --report writes",
        ),
        (
            lambda summed: (REPORTS / "one/by_class.csv").write_text("class,gain\n"),
            "one/by_class.csv: has no column training_clips; brl compare one --report writes it",
        ),
    ],
    ids=[
        "none",
        "no report",
        "references",
        "no reference",
        "other methods",
        "not a key's value",
        "no pairs",
        "no column",
    ],
)
def test_a_mistake_is_one_line(summed, prepare, message, request):
    if request.node.callspec.id not in ("none", "no report"):
        summed.report("one", of_seeds(REFERENCE, [40.0]))
    prepare(summed)
    assert message in refused("compare", "--summary")


@pytest.mark.parametrize("arguments", [["nw_ucla"], ["--report"]])
def test_the_summary_takes_no_name(summed, arguments):
    done = brl("compare", "--summary", *arguments)
    assert done.exit_code == 2 and "no NAME, no --report" in done.stderr


def test_it_loads_no_torch():
    """It takes a second, not five."""

    code = "import sys, brl.commands.summary; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
