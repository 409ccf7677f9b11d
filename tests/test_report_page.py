"""The page: its content, that it is self-contained, and its skeletons."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import BaseModel

from brl.clips.layouts import COCO17, NTU25, NW_UCLA20
from brl.config.evaluate import EvaluateParams
from brl.report.charts import draw_profile
from brl.report.page import contents, write_page
from brl.report.skeletons import STEPS, View, bones, moving_bodies
from brl.report.words import data_in_words, method_in_words
from tests.project import HERE
from tests.reported import class_names, data_of, results, store_of
from tests.tiny import PARAMS

SECTIONS = [
    "numbers", "classes", "streams", "confusion", "clips", "data", "calibration", "curves", "made",
]  # fmt: skip


class Page(HTMLParser):
    """A page's sections with their text, its tags and its references."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.tags: list[str] = []
        self.references: list[str] = []
        self._section = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        if tag == "section":
            self._section = values["id"]
            self.sections[self._section] = ""
        self.references += [
            values[name] for name in ("src", "href", "xlink:href") if name in values
        ]

    def handle_data(self, data):
        if self._section:
            self.sections[self._section] += data


def test_a_part_without_clips_has_no_number_of_frames(tmp_path):
    data = data_of(store_of(tmp_path, class_names(3)))
    empty = data.classes.assign(clips=0, joints=0, missing_joints=0, shortest=pd.NA, longest=pd.NA)
    row = replace(data, classes=empty).parts[0]
    assert (row["clips"], row["frames"], row["missing"]) == ("0", "", "0.00 %")


def written(folder: Path, shown) -> str:
    write_page(folder / "index.html", shown)
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    return results(tmp_path_factory.mktemp("ten"), class_names(10))


def test_every_section_has_content(ten, tmp_path):
    page = Page(written(tmp_path, ten))
    assert list(page.sections) == SECTIONS
    for name, text in page.sections.items():
        assert len(text.split()) > 10, name
    for name in class_names(10):
        assert name in page.sections["classes"] and name in page.sections["confusion"]
    for name in ten.streams:
        assert name in page.sections["streams"] and name in page.sections["curves"]


class Recorded:
    """Parameters that note which are read, by dotted names; declared sections count as a whole."""

    def __init__(self, params, declared: set[str], read: set[str], prefix: str = "") -> None:
        self._params, self._declared, self._read, self._prefix = params, declared, read, prefix

    def __getattr__(self, name: str):
        value, path = getattr(self._params, name), f"{self._prefix}{name}"
        if isinstance(value, BaseModel) and path not in self._declared:
            return Recorded(value, self._declared, self._read, f"{path}.")
        self._read.add(path)
        return value


def test_the_parameters_that_the_page_tells_of_are_declared(ten, tmp_path):
    """So the page is never that of another run: DVC writes it anew when one of them changes."""
    stages = yaml.safe_load((HERE / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    declared, read = set(stages["evaluate"]["params"]), set()
    written(tmp_path, replace(ten, params=Recorded(PARAMS, declared, read)))
    assert {"seed", "model.name", "ensemble"} <= read
    assert read <= declared


def test_it_needs_nothing_but_itself(ten, tmp_path):
    """It refers only to its own parts or to data; the only addresses are XML namespaces."""
    text = written(tmp_path, ten)
    for reference in Page(text).references:
        assert reference.startswith(("#", "data:")), reference
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", text))
    assert all(address.startswith("http://www.w3.org/") for address in addresses)


def test_the_parts_of_its_charts_have_names_of_their_own(ten, tmp_path):
    ids = re.findall(r'\bid="([^"]+)"', written(tmp_path, ten))
    assert len(ids) == len(set(ids))


def test_equal_results_give_equal_pages(ten, tmp_path):
    assert written(tmp_path / "a", ten) == written(tmp_path / "b", ten)


def test_the_quality_of_the_data_is_that_of_the_split(ten, tmp_path):
    train, test = contents(ten)["data"]
    assert [*train.values()] == [
        "cross_subject_view", "train", "1", "1", "0 to 1", "50 to 50", "0.00 %",
    ]  # fmt: skip
    assert (test["part"], test["clips"], test["of_class"]) == ("test", "60", "6 to 6")
    section = Page(written(tmp_path, ten)).sections["data"]
    assert "cross_subject_view: test clips equal to a training clip2clip0003" in section
    assert "clips with missing joints5clip0001 <of many>" in section
    assert "other" not in section
    clean = replace(ten.data, findings=ten.data.findings.iloc[:0])
    page = Page(written(tmp_path, replace(ten, data=clean)))
    assert "Nothing needs attention." in page.sections["data"]


def test_the_page_says_how_many_clips_separate_the_groups(ten, tmp_path):
    """As numbers in params.yaml, or as the thirds of these classes: 300 clips to 3."""
    section = " ".join(Page(written(tmp_path, ten)).sections["classes"].split())
    assert "many-shot: more than 100 training clips" in section
    thirds = EvaluateParams(many_shot_above="thirds", few_shot_below="thirds")
    shown = replace(ten, params=PARAMS.model_copy(update={"evaluate": thirds}))
    section = " ".join(Page(written(tmp_path, shown)).sections["classes"].split())
    assert "more than 65 training clips ■ medium-shot ■ few-shot: fewer than 14" in section


def test_names_are_text_and_no_markup(tmp_path):
    names = ['<b>&"bold"', "{{ 7 * 7 }}", "</script><script>x()", "café", "挥手", "हाथ"]
    page = Page(written(tmp_path, results(tmp_path, names)))
    assert all(name in page.sections["classes"] for name in names)
    assert page.tags.count("script") == 1


@pytest.mark.parametrize(("count", "most_kb"), [(10, 400), (120, 700)])
def test_it_stays_small(tmp_path, count, most_kb):
    text = written(tmp_path, results(tmp_path, class_names(count)))
    assert len(text.encode()) < 1000 * most_kb
    assert "NaN" not in text and "nan" not in re.findall(r"\w+", text)


def test_numbers_are_the_headline_with_their_intervals(ten):
    numbers = {number["key"]: number for number in contents(ten)["numbers"]}
    assert list(numbers) == ["top1", "mean_class", "many", "medium", "few"]
    for number in numbers.values():
        assert number["low"] <= number["value"] <= number["high"]
    assert sum(numbers[group]["classes"] for group in ("many", "medium", "few")) == 10


def test_classes_come_by_training_clips_and_contributions_by_stream(ten):
    shown = contents(ten)
    counts = [row["train_clips"] for row in shown["classes"]]
    assert counts == sorted(counts, reverse=True)
    assert [name for name, _ in shown["contributions"]] == [
        "joint (weight 2)",
        "bone (weight 2)",
        "joint_motion (weight 1)",
        "these weights instead of equal ones",
    ]


def test_a_class_without_test_clips_and_a_perfect_ensemble(tmp_path):
    whole = results(tmp_path, class_names(4))
    certain = np.eye(4, dtype=np.float32)[whole.fused.labels]
    tested = whole.fused.labels != 3

    def part(scores, probabilities):
        return type(scores)(scores.names[tested], scores.labels[tested], probabilities[tested])

    streams = {name: part(s, s.probabilities) for name, s in whole.streams.items()}
    perfect = replace(whole, fused=part(whole.fused, certain), streams=streams)
    page = Page(written(tmp_path, perfect))
    assert (
        "clips" not in page.sections
        and "No test clip is misclassified" in page.sections["confusion"]
    )
    assert "–" in page.sections["classes"]


def test_one_stream_taken_from_a_checkpoint_has_no_curve_and_adds_nothing(ten, tmp_path):
    empty = pd.DataFrame(columns=["epoch", "loss", "accuracy", "lr"])
    alone = replace(ten, streams={"joint": ten.streams["joint"]}, curves={"joint": empty})
    shown = contents(alone)
    assert shown["curves"] == {} and shown["contributions"] == []
    assert "curves" not in Page(written(tmp_path, alone)).sections


@pytest.mark.parametrize(
    ("layout", "up", "sign"),
    [(NTU25, 2, 1), (NTU25, 1, 1), (NW_UCLA20, 1, 1), (NTU25, 0, -1), (COCO17, 1, -1)],
    ids=["z up", "y up", "NW-UCLA", "x down", "image"],
)
def test_bodies_stand_upright_seen_from_the_front(tmp_path, layout, up, sign):
    store = store_of(tmp_path / "store", class_names(2), layout, up, sign)
    view = View.of(store)
    assert view == View(right=0 if up else 1, down=up, inverted=sign > 0)
    first = np.array(moving_bodies(store, view, 0)["frames"])
    assert first.shape == (40, 2, layout.num_joints, 2)
    assert first.min() >= 0 and first.max() == STEPS
    lower = layout.lower_body()
    assert (first[:, 0, lower, 1].mean(axis=1) > first[:, 0, ~lower, 1].mean(axis=1)).all()


def test_a_joint_that_was_not_seen_is_not_drawn(tmp_path):
    store = store_of(tmp_path / "store", class_names(2))
    start = store.starts[1]
    store.rows[start : start + store.frames[1], 7] = 0
    frames = np.array(moving_bodies(store, View.of(store), 1)["frames"])
    assert (frames[:, 0, 7] == -1).all() and (np.delete(frames, 7, axis=2) >= 0).all()


def test_bones_join_every_joint_but_the_centre():
    assert len(bones(NTU25)) == 24
    assert {joint for pair in bones(NTU25) for joint in pair} == set(range(25))


def test_the_title_and_the_method_in_words():
    assert data_in_words(PARAMS) == "synthetic (cross_subject_view), long-tailed at factor 30"
    changed = PARAMS.model_dump()
    changed["subsample"]["profile"] = "natural"
    changed["method"] |= {"loss": "balanced_softmax", "class_weights": "none"}
    changed = type(PARAMS).model_validate(changed)
    assert data_in_words(changed).endswith("natural distribution")
    assert method_in_words(changed) == "balanced-softmax, rebalanced sampling, partial mixing"
    words = "cross-entropy, action-aware weights, rebalanced sampling, partial mixing"
    assert method_in_words(PARAMS) == words


def test_the_ranks_of_classes_are_whole_numbers():
    counts = np.arange(22, 0, -1)
    chart = draw_profile(counts, np.full(22, "few"))
    labels = re.findall(r">([\d.]+)</text>", chart)
    assert len(labels) > 5 and all(label.isdigit() for label in labels)
