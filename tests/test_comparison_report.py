"""The report of a comparison of invented scores: 12 test clips, four of each of three classes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread

from brl.comparison import cost
from brl.comparison.figure import GAP
from brl.comparison.made import Code, note
from brl.comparison.report import write_report
from brl.comparison.results import finished
from brl.comparison.run import Data, weights_file
from tests.comparing import JOINT, Grid

FOUR = ["joint", "bone", "joint_motion", "bone_motion"]
SIX = [*FOUR, "skip", "skip_motion"]


def report(grid: Grid) -> str:
    """Writes the report into `report`; returns the page."""
    return write_report(grid.folder / "report", "tiny", grid.comparison(), grid.runs(), Data.read())


def first_wrong(labels: np.ndarray, wrong: dict[int, int]) -> np.ndarray:
    """Predictions that miss the first clips of each class: `wrong` maps labels to numbers."""
    predicted = labels.copy()
    for label, number in wrong.items():
        predicted[np.flatnonzero(labels == label)[:number]] = (label + 1) % 3
    return predicted


def test_accuracies_are_those_by_hand(grid):
    """Classes of 8, 5 and 2 training clips: many, medium, few."""
    grid.compare({"cross_entropy": JOINT}, seeds=[0, 1], without_classes=["third"])
    grid.pretend(lambda run, labels: first_wrong(labels, {0: 1, 2: 2 + run.seed}))
    report(grid)
    table = pd.read_csv(grid.folder / "report/results.csv")
    columns = ["top1", "mean_class", "many", "medium", "few", "mean_other_classes"]
    assert table["seed"].tolist() == [0, 1]
    np.testing.assert_allclose(
        table[columns],
        [[75, 75, 75, 100, 50, 87.5], [200 / 3, 200 / 3, 75, 100, 25, 87.5]],
        atol=1e-3,
    )


def test_the_page_says_what_the_tables_say(grid):
    grid.compare({"brl": JOINT, "cross_entropy": JOINT}, seeds=[0, 1], reference="cross_entropy")
    grid.pretend(lambda run, labels: first_wrong(labels, {2: run.seed + 2 * (run.method != "brl")}))
    page = report(grid)
    assert page + "\n" == (grid.folder / "report/README.md").read_text(encoding="utf-8")
    results = pd.read_csv(grid.folder / "report/results.csv")
    for method, of_method in results.groupby("method"):
        cells = []
        for column in ("top1", "mean_class", "many", "medium", "few"):
            values = of_method[column].to_numpy()
            half = 12.706 * abs(values[0] - values[1]) / 2  # Student's t, one degree of freedom
            cells.append(f"{values.mean():.1f} ± {half:.1f}")
        assert f"| {method} | 2 | {' | '.join(cells)} |" in page
    (pair,) = pd.read_csv(grid.folder / "report/pairs.csv").to_dict("records")
    assert (pair["method"], pair["against"]) == ("brl", "cross_entropy")  # though it comes first
    assert (pair["won"], pair["lost"], pair["difference"]) == (
        2,
        0,
        pytest.approx(16.667, abs=1e-3),
    )
    interval = f"{pair['low']:+.1f} to {pair['high']:+.1f}"
    expected = f"| brl | 2 | 95.8 | 79.2 | +16.7 | {interval} | {pair['p']:.3f} | {pair['p']:.3f} |"
    assert expected in page and pair["low"] <= 16.667 <= pair["high"]
    assert page.count(" | 2.0 | 0.0 | 0.500 |") == 1  # exact: two clips of two
    assert page.startswith("# tiny: t, 15 training clips, judged by test clips of half\n")
    assert "Interval and p are over clips and seeds" in page
    assert "clips alone" not in page and " of 2" not in page


def test_methods_of_other_seeds_are_compared_by_the_common_ones(grid):
    """Seed 1 is far easier: the means of all seeds would say the contrary of the difference."""
    methods = {"cross_entropy": JOINT, "brl": JOINT, "mixup": JOINT, "rpm": JOINT}
    grid.compare(methods, seeds=[0, 1, 2])
    missed = {"cross_entropy": [{0: 4, 1: 4}, {}, {}], "brl": [{0: 4}, {0: 1}, {0: 1}]}
    grid.pretend(
        lambda run, labels: first_wrong(labels, missed.get(run.method, [{}] * 3)[run.seed])
    )
    data = Data.read()
    gone = {"cross_entropy": [2], "brl": [1, 2], "mixup": [0], "rpm": [0, 1]}
    for run in grid.runs():
        if run.seed in gone[run.method]:
            data.scores_file(run).unlink()
    page = report(grid)
    assert "| cross_entropy | 2 of 3 | 66.7 ±" in page and "| brl | 1 of 3 | 66.7 |" in page
    pairs = pd.read_csv(grid.folder / "report/pairs.csv").set_index(["method", "against"])
    brl = pairs.loc["brl", "cross_entropy"]
    assert (brl["seeds"], brl["top1"].round(1), brl["against_top1"].round(1)) == (1, 66.7, 33.3)
    p, corrected = f"{brl['p']:.3f} (clips alone)", f"{brl['holm_reference']:.3f}"
    assert f"| brl | 1 | 66.7 | 33.3 | +33.3 | – | {p} | {corrected} |" in page
    assert brl["holm_reference"] == pytest.approx(2 * brl["p"], abs=1e-3)  # with that of mixup
    assert brl["holm_all"] == pytest.approx(3 * brl["p"], abs=1e-3)  # and of mixup and rpm
    assert np.isnan(pairs.loc["rpm", "mixup"]["holm_reference"])
    assert ("rpm", "cross_entropy") not in pairs.index  # no common seed
    assert "With one common seed nothing is known about other seeds" in page
    assert "A row that still lacks seeds says so" in page
    assert "over clips and seeds" not in page


def test_streams_are_fused_where_all_are_there_with_the_parameters_weights(grid):
    content = grid.params().model_dump()
    content["ensemble"]["weights"] = {name: 5 if name == "joint" else 1 for name in SIX}
    grid.write_params(content)
    grid.compare({"brl": {"streams": FOUR}, "ldam": {"streams": SIX}, "mixup": JOINT})
    grid.pretend(lambda run, labels: first_wrong(labels, {} if run.stream == "joint" else {0: 4}))
    data, runs = Data.read(), grid.runs()
    data.scores_file(next(run for run in runs if run.title.startswith("ldam skip,"))).unlink()
    scored = finished(runs, data)
    sources = {
        m: [one.source for one in scored if one.method == m] for m in ("brl", "ldam", "mixup")
    }
    fused = ["joint", "2 streams", "4 streams"]
    assert sources["brl"] == [*fused, "bone", "joint_motion", "bone_motion"]
    assert sources["ldam"] == [*fused, "bone", "joint_motion", "bone_motion", "skip_motion"]
    assert sources["mixup"] == ["joint"]
    four = next(one for one in scored if (one.method, one.source) == ("brl", "4 streams"))
    first = np.flatnonzero(four.clips.labels == 0)[0]  # joint says 0, the others 1
    assert four.clips.predicted[first] == 0
    assert four.clips.confidence[first] == pytest.approx((5 * 0.75 + 3 * 0.125) / 8, rel=1e-5)
    headings = [line for line in report(grid).splitlines() if line.startswith("## ")]
    assert headings.pop() == "## Recipe"
    last = ["## bone", "## joint_motion", "## bone_motion", "## skip_motion"]
    assert [line for line in headings if line not in last] == [f"## {source}" for source in fused]
    assert sorted(headings[3:]) == sorted(last)


def test_a_fusion_of_streams_without_any_weight_is_not_defined(grid):
    """Perfect streams, of which only skip has a weight: no row shows chance."""
    content = grid.params().model_dump()
    content["ensemble"]["weights"] = {name: float(name == "skip") for name in SIX}
    grid.write_params(content)
    weighed = {"streams": FOUR, "settings": {"ensemble.weights.bone": 1.0}}
    grid.compare({"cross_entropy": {"streams": SIX}, "brl": weighed, "mixup": JOINT})
    grid.pretend(lambda _run, labels: labels)
    page = report(grid)
    table = pd.read_csv(grid.folder / "report/results.csv")
    assert (table["top1"] == 100).all()
    fused = table[table["what"].str.endswith(" streams")]
    assert sorted(zip(fused["method"], fused["what"], strict=True)) == [
        ("brl", "2 streams"), ("brl", "4 streams"), ("cross_entropy", "6 streams"),
    ]  # fmt: skip
    assert "*2 streams*: not defined for cross_entropy: the weights of joint, bone are zero" in page
    assert "*4 streams*: not defined for cross_entropy: the weights of joint, bone, joint_" in page
    assert page.count("not defined") == 2


@pytest.mark.parametrize("without_few", [False, True])
def test_the_picture_shows_something(grid, without_few):
    content = grid.params().model_dump()
    if without_few:
        content["evaluate"]["few_shot_below"] = 1
    grid.write_params(content)
    grid.compare({"brl": {"streams": ["joint", "bone"]}, "mixup": JOINT}, seeds=[0, 1])
    grid.pretend(lambda run, labels: first_wrong(labels, {1: 1 + run.seed}))
    page = report(grid)
    assert ("few-shot |" in page) != without_few
    picture = imread(grid.folder / "report/comparison.png")
    assert picture.shape[1] == 1200 and picture.shape[0] > 200
    inked = (picture[..., :3] < 0.9).any(axis=2)
    halves = [inked[:, :600].mean(), inked[:, 600:].mean()]
    assert min(halves) > 0.005  # something on either side


def test_classes_may_be_grouped_in_thirds(grid):
    """Of 8, 5 and 2 training clips; the page says what separates the groups."""
    content = grid.params().model_dump()
    content["evaluate"] = {"many_shot_above": "thirds", "few_shot_below": "thirds"}
    grid.write_params(content)
    grid.compare({"brl": JOINT, "mixup": JOINT})
    grid.pretend(lambda _run, labels: labels)
    page = report(grid)
    assert (
        "Many-shot classes have more than 5 training clips, few-shot classes fewer than 5." in page
    )
    assert "- evaluate: many_shot_above thirds, few_shot_below thirds" in page
    classes = pd.read_csv(grid.folder / "report/by_class.csv")
    groups = dict(zip(classes["training_clips"], classes["group"], strict=True))
    assert groups == {8: "many", 5: "medium", 2: "few"}


def test_the_picture_shows_every_method(grid, monkeypatch):
    """Also one whose first stream is not that of the first row."""
    drawn = []
    errorbar = Axes.errorbar

    def watched(axes, means, lines, **settings):
        drawn.append((settings["label"], lines))
        return errorbar(axes, means, lines, **settings)

    monkeypatch.setattr(Axes, "errorbar", watched)
    grid.compare({"brl": {"streams": ["joint", "skip"]}, "mixup": {"streams": ["skip"]}})
    grid.pretend(lambda run, labels: labels)
    report(grid)
    assert dict(drawn[:3]) == {"joint": [0.0], "skip": [1.0, 3 + GAP], "all streams": [2.0]}


def test_the_page_says_how_to_repeat_a_row_and_what_it_was_judged_by(grid):
    half = {"preset": "brl", "settings": {"method.mix_share": 0.5}} | JOINT
    grid.compare(
        {"cross_entropy": JOINT, "half": half}, settings={"train.lr": 0.2, "train.validation": 0.4}
    )
    grid.pretend(lambda run, labels: labels)
    page = report(grid)
    assert page.startswith(
        "# tiny: t, 15 training clips, judged by validation part (0.4 of them)\n"
    )
    assert "`brl preset t --method …`, in params.yaml its seed, train.lr: 0.2, " in page
    assert "- half: --method brl, method.mix_share: 0.5\n" in page
    assert "learning rate 0.2, the last epoch.\n" in page
    assert "Here the validation part judges, so the last epoch is taken." in page
    assert "other code" not in page


def test_the_page_states_the_whole_recipe(grid, monkeypatch):
    half = {"preset": "brl", "settings": {"train.lr": 0.4}, "streams": ["joint", "bone"]}
    content = grid.params().model_dump()
    content["streams"]["bone"]["lr"] = 0.3
    content["dataset"]["mirror"] = "here"
    grid.write_params(content)
    grid.compare({"cross_entropy": JOINT, "half": half})
    monkeypatch.setattr("brl.tracking.machine.processor", lambda: "EPYC")
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    grid.pretend(lambda run, labels: labels)
    recipe = report(grid).split("## Recipe")[1]
    for line in (
        "- dataset: name t, split half\n",
        "augment.rotation [0.3, 0.3, 0.3], augment.rotation_order xyz, augment.scale 0.1, ",
        '- streams: joint.inputs ["joint"], joint.lr 0.05\n',
        "method.mix partial, ",
        'train.lr 0.4, streams.joint.lr 0.4, streams.bone.inputs ["bone"], streams.bone.lr 0.3\n',
        "- 3 of the 3 scores: device EPYC; device.features ",
        "; threads 3; processes 1; python ",
        "; precision.predict float32",
    ):
        assert line in recipe, line
    assert "mirror" not in recipe.replace("flip_kind mirror", "")


def test_other_code_is_told(grid):
    grid.compare({"cross_entropy": JOINT, "brl": JOINT})
    grid.pretend(lambda run, labels: labels)
    data, runs = Data.read(), grid.runs()
    weights, others = (weights_file(data.trained_key(run)) for run in runs)
    note(weights, Code.of("stgcnpp").training)
    weights.touch()
    assert "other code" not in report(grid)
    others.touch()  # without a note
    assert "**1 of the 2 trainings were computed by other code" in report(grid)
    note(data.scores_file(runs[0]), "other")
    assert "**1 of the 2 trainings and 1 of the 2 scores were computed by other" in report(grid)
    note(others, Code.of("stgcnpp").training)
    assert "**1 of the 2 scores were computed by other code" in report(grid)


def test_fusions_of_different_streams_stand_side_by_side(grid, monkeypatch):
    three = {"streams": ["joint", "bone", "skip"]}
    grid.compare({"brl": {"streams": SIX}, "best": three, "mixup": JOINT}, seeds=[0, 1])
    grid.pretend(lambda _run, labels: labels)
    monkeypatch.setattr(cost, "steps_of", lambda _weights: 10)
    page = report(grid)
    table = pd.read_csv(grid.folder / "report/results.csv")
    together = table[table["what"] == "all streams"]
    assert dict(zip(together["method"], together["steps"], strict=True)) == {"brl": 60, "best": 30}
    assert "## all streams" in page


def test_a_row_lacks_only_seeds_that_are_planned_for_it(grid):
    two = {"streams": ["joint", "bone"]}
    grid.compare({"brl": two, "mixup": JOINT}, seeds=[0, 1, 2], ensemble_seeds=[0, 1])
    grid.pretend(lambda _run, labels: labels)
    assert "| brl | 2 | 100.0" in report(grid)  # two streams
    data = Data.read()
    data.scores_file(next(run for run in grid.runs() if run.title == "brl bone, seed 1")).unlink()
    page = report(grid)
    assert "| brl | 1 of 2 | 100.0" in page and "| brl | 3 | 100.0" in page
