"""Names are data: no name breaks a picture, a page, a table, a terminal, JSON or MLflow."""

import csv
import importlib
import json
import os
import re
import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils import validation
from pydantic import ValidationError

from brl.comparison.figure import draw_comparison
from brl.comparison.file import Comparison
from brl.comparison.gain_figure import draw_gains
from brl.comparison.summary.figure import draw_ranks
from brl.config.params import read_params
from brl.config.presets import edit_params
from brl.datasets.own.description import read_description
from brl.scores.scores import load_scores
from brl.serving.card import accuracies, model_card
from brl.serving.recognizer import Recognizer
from brl.subset.subset import read_counts
from brl.support.errors import UserError
from brl.support.files import write_report
from brl.support.json_text import json_text
from brl.support.paths import BY_CLASS, FUSED_SCORES, PAGE, SUBSET
from brl.support.text import (
    FORMULA,
    LONGEST_NAME,
    NAME_RULE,
    console,
    in_markdown,
    in_spreadsheet,
    is_name,
    is_printable,
    printable,
    shortened,
)
from brl.tracking.names import class_metric, in_mlflow
from brl.tracking.runs import Runs
from brl.video.videos import find_videos
from tests.command import brl, refused
from tests.own_data import STICK, write_description
from tests.project import SMALL, Project
from tests.test_report_page import Page

# Each is a valid name.
AWFUL = (
    r"$\frac{$",
    "[/red]",
    ":boom: 'a' \"b\", c|d",
    "=cmd()",
    "<script>alert(1)</script>",
    "../../up",
    "a" * LONGEST_NAME,
    "-1",
    "#010101",
    '_x`* id="c"',
    "{{ 7 * 7 }}",
    "می\u200cروم",  # of Persian, with an invisible letter
)
NEVER = {
    "NUL": "a\0b",
    "a line break": "a\nb",
    "a tab": "a\tb",
    "an escape sequence": "\x1b[31mred",
    "a mark of direction": "a\u202eb",
    "an invisible letter at the end": "a\u200c",
    "blank": "  ",
    "too long": "a" * (LONGEST_NAME + 1),
    "100 kB": "a" * 100_000,
}
TEXTS = st.text(st.characters(), max_size=300)  # surrogates, too


@given(TEXTS)
def test_what_is_shown_is_one_printable_line(text):
    for shown in (printable(text), in_markdown(text)):
        assert is_printable(shown)
        shown.encode()
    assert len(shortened(text, 40)) <= 40 and shortened(text, 300) == text
    assert re.sub(r"\\([\\`*\[\]<>|$~_])", r"\1", in_markdown(text)) == printable(text)
    assert not re.search(r"(?<!\\)[|<>$*`]", in_markdown(text).replace(r"\\", ""))


@given(TEXTS)
def test_a_terminal_shows_names_as_they_are(text):
    out, shown = console(), printable(text)
    out.file, out.width = StringIO(), 2000
    out.print(shown)
    assert out.file.getvalue().rstrip("\n").rstrip() == shown.rstrip()


@given(st.recursive(st.none() | st.floats() | TEXTS, lambda each: st.lists(each, max_size=3)))
def test_json_is_json_whatever_it_holds(content):
    def refuse(token: str) -> None:
        raise AssertionError(token)

    text = json_text({"content": content})
    text.encode()
    json.loads(text, parse_constant=refuse)


def test_json_has_null_for_numbers_that_it_lacks():
    assert json_text([float("nan"), -float("inf"), 1.5], indent=None) == "[null, null, 1.5]"
    assert json_text("é", indent=None) == '"é"'
    assert json_text(os.fsdecode(b"\xff.npy"), indent=None) == '"\\udcff.npy"'


@given(TEXTS, st.integers(0, 500))
def test_mlflow_takes_names(text, label):
    key = class_metric(label, text, 501)
    validation._validate_metric_name(key)
    value = in_mlflow(text * 100)
    value.encode()
    assert "\0" not in value and len(value) <= validation.MAX_PARAM_VAL_LENGTH


@given(st.lists(TEXTS.filter(is_name), min_size=1, max_size=3))
def test_no_cell_of_a_report_is_a_formula(names):
    cells = [in_spreadsheet(name) for name in names]
    assert not any(cell.startswith(FORMULA) for cell in cells)
    assert [cell.removeprefix("'") for cell in cells] == [name.removeprefix("'") for name in names]
    assert in_spreadsheet(-1.5) == -1.5


def test_a_report_keeps_numbers_and_names_in_their_cells(tmp_path):
    table = pd.DataFrame({"class": AWFUL, "gain": -1.5})
    write_report(table, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        _, *rows = csv.reader(file)
    assert [row[0] for row in rows] == [in_spreadsheet(name) for name in AWFUL]
    assert {row[1] for row in rows} == {"-1.5"}


def test_pictures_of_comparisons_take_any_name_of_a_method(tmp_path):
    rows = [
        {"class": name, "training_clips": 5 + place, "group": "few", "what": "joint"}
        | {"method": method, "gain": 3.0 - place, "seed": 0, "top1": 50.0, "few": 40.0 + place}
        for place, name in enumerate(AWFUL)
        for method in AWFUL[:3]
    ]
    table = pd.DataFrame(rows)
    draw_gains(tmp_path / "gain.png", table, AWFUL[0])
    draw_comparison(tmp_path / "comparison.png", table, AWFUL[0])
    ranks = pd.DataFrame(np.arange(6.0).reshape(3, 2), index=AWFUL[:3], columns=AWFUL[3:5])
    draw_ranks(tmp_path / "ranks.png", {AWFUL[0]: ranks})
    assert len(list(tmp_path.glob("*.png"))) == 3


@pytest.mark.parametrize("name", NEVER.values(), ids=NEVER)
def test_names_that_can_never_be_sensible_are_refused_by_the_check(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(Path(__file__).parents[1] / "params.yaml", "params.yaml")
    edit_params(Path("params.yaml"), lambda content: content["dataset"].update(name="custom"))
    Path("own").mkdir()
    np.save("own/a.npy", np.ones((4, 5, 3)))

    def complaint() -> str:
        done = brl("check")
        assert done.exit_code == 1 and done.stderr.count("\n") == 1 and len(done.stderr) < 500
        assert done.stderr[:-1].isprintable()
        return done.stderr

    description = STICK | {"classes": ["wave", name]}
    write_description(Path("own"), description)
    assert "dataset.yaml: classes: " in complaint() and NAME_RULE in complaint()
    with pytest.raises(UserError, match=r"dataset\.yaml: name: "):
        write_description(Path("own"), STICK | {"name": name})
        read_description(Path("own/dataset.yaml"))
    write_description(Path("own"), STICK)
    pd.DataFrame({"name": [name], "label": "wave", "split": "train"}).to_csv(
        "own/clips.csv", index=False
    )
    assert "clips.csv: line " in complaint()


@pytest.mark.parametrize("name", [*NEVER.values(), "a|b"])
def test_a_row_of_a_comparison_needs_a_name(name):
    file = {"preset": "p", "seeds": [0], "settings": {}, "without_classes": []}
    methods = {name: {"streams": ["joint"]}}
    with pytest.raises(ValidationError, match="must be one line of printable text"):
        Comparison.model_validate(file | {"reference": name, "methods": methods})


@pytest.mark.parametrize("name", [b"w\xff", b"a\x1b[31m", b"a\tb"])
def test_files_that_cannot_give_a_clip_its_name_are_refused(name, tmp_path):
    for folder in (os.fsdecode(name), "other"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", np.ones((9, 25, 3)))
        (tmp_path / folder / "a.mp4").touch()
    assert NAME_RULE in refused("data", "new", str(tmp_path))
    assert not (tmp_path / "dataset.yaml").exists()
    with pytest.raises(UserError, match=NAME_RULE):
        find_videos([tmp_path])


def write_awful(folder: Path) -> None:
    """Own data of the stick figure whose classes and clips have awful names: 4 clips of each."""
    folder.mkdir(exist_ok=True)
    write_description(folder, STICK | {"classes": list(AWFUL), "name": AWFUL[0]})
    draws, rows = np.random.default_rng(0), []
    for number in range(4 * len(AWFUL)):
        label = number % len(AWFUL)
        np.save(folder / f"{number}.npy", draws.normal(size=(9, 5, 3)).astype(np.float32))
        part = "test" if number >= 3 * len(AWFUL) else "train"
        rows.append((f"{AWFUL[label][:190]} {number}", AWFUL[label], part, f"{number}.npy"))
    table = pd.DataFrame(rows, columns=["name", "label", "split", "file"])
    table.to_csv(folder / "clips.csv", index=False)


@pytest.mark.slow
def test_awful_names_go_from_own_data_to_all_that_is_made_of_them(tracked, monkeypatch, warm):
    project = Project(tracked / "project")
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("DVC_ROOT", str(tracked))
    project.edit(SMALL | {"dataset.name": "custom", "dataset.split": "default"})
    project.keep_streams("joint")
    shutil.rmtree("own")
    write_awful(Path("own"))
    assert brl("check").exit_code == 0
    for stage in ("download", "own", "prepare", "subsample", "networks"):
        importlib.import_module(f"stages.{stage}").main()
    for stage in ("pretrain", "train", "folds", "classify", "unseen", "predict"):
        importlib.import_module(f"stages.{stage}").main("joint")
    for stage in ("ensemble", "evaluate"):
        importlib.import_module(f"stages.{stage}").main()

    page = Page(PAGE.read_text(encoding="utf-8"))
    assert page.tags.count("script") == 1
    for name in AWFUL:
        assert name in page.sections["classes"]
        assert shortened(name, 40) in page.sections["confusion"]
    written = pd.read_csv(BY_CLASS)["class"]
    assert [*written] == [in_spreadsheet(name) for name in AWFUL]

    for command in ("results", "data"):
        assert brl(command).exit_code == 0
    params, fused = read_params(), load_scores(FUSED_SCORES).predictions
    by_class = accuracies(read_counts(SUBSET), fused, params)
    card = model_card(params, Recognizer.of_project(params), "| a table |", by_class)
    assert r"| \$\\frac{\$ |" in card and r"\<script\>" in card

    recordings = [f"[red]\x1b[31m\n{number}.npy" for number in range(2)]
    recordings.append(os.fsdecode(b"\xff.npy"))
    for name in recordings:
        shutil.copy("own/0.npy", name)
    shown = brl("predict", *recordings, "--top", str(len(AWFUL)))
    assert shown.exit_code == 0 and "\x1b" not in shown.stdout and r"\udcff.npy" in shown.stdout
    assert all(name in shown.stdout for name in AWFUL if len(name) < 30)
    for options in (["--top", str(len(AWFUL))], ["--window", "4"]):
        (first, *_, last) = json.loads(brl("predict", *recordings, "--json", *options).stdout)
        assert (first["file"], last["file"]) == (recordings[0], recordings[-1])
        assert {each["class"] for each in first.get("classes", first.get("timeline"))} <= {*AWFUL}

    runs = Runs().search("tags.kind = 'pipeline'")
    assert AWFUL[0] in runs[0].data.tags["data"]
    metrics = [name for name in runs[0].data.metrics if name.startswith("accuracy/class/")]
    assert len(metrics) == len(AWFUL)
