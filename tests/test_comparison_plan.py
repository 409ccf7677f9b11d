"""The file of a comparison, and mistakes in it."""

from pathlib import Path

import pytest
import yaml

from brl.commands import pipeline
from brl.comparison.file import Comparison
from brl.comparison.plan import planned_runs, read_comparison
from brl.config.params import read_params
from brl.config.presets import apply_preset
from brl.support.errors import UserError
from tests.command import brl, refused
from tests.comparing import JOINT, Grid
from tests.methods import method


@pytest.fixture
def grid(grid, monkeypatch) -> Grid:
    monkeypatch.setattr(pipeline, "reproduce", lambda *_: None)  # the clips are there
    return grid


def test_a_preset_then_the_settings_of_all_then_those_of_the_row(grid):
    grid.compare(
        {
            "cross_entropy": JOINT,
            "brl": JOINT,
            "half": {"preset": "brl", "settings": {"method.mix_share": 0.5, "train.lr": 0.3}}
            | JOINT,
        },
        seeds=[3],
        settings={"train.lr": 0.2, "method.tau": 2.0},
    )
    plain, brl, half = (run.params for run in grid.runs())
    assert plain.seed == brl.seed == 3
    assert (plain.train.lr, brl.train.lr, half.train.lr) == (0.2, 0.2, 0.3)
    assert plain.method.tau == brl.method.tau == half.method.tau == 2
    assert (plain.method.mix, brl.method.mix, half.method.mix) == ("none", "partial", "partial")
    assert brl.method == method("brl", tau=2.0)
    assert half.method.mix_share == 0.5
    unchanged = {"seed", "train", "method", "classifier", "model"}
    assert half.model_dump(exclude=unchanged) == grid.params().model_dump(exclude=unchanged)


def test_a_row_brings_the_network_that_its_method_takes(grid):
    prototypes = {"number": 100, "weight": 0.3, "update": "all"}
    own = {"settings": {"model.name": "dgstgcn", "method.prototypes": prototypes}}
    published = {"system": "protogcn", "settings": {"method.prototypes.update": "correct"}}
    parts = {"system": "psumnet", "streams": ["body", "hand", "leg"]}
    methods = {"published": published | JOINT, "own": own | JOINT, "parts": parts}
    grid.compare({name: row | {"preset": "cross_entropy"} for name, row in methods.items()})
    runs = {run.method: run.params for run in grid.runs()}
    assert runs["published"].method.prototypes.update == "correct"
    assert (runs["published"].model.name, runs["published"].model.base_channels) == ("dgstgcn", 96)
    assert runs["own"].method.prototypes.model_dump() == prototypes
    assert runs["parts"].model.name == "psumnet" and [*runs["parts"].streams] == parts["streams"]
    del own["settings"]["model.name"]
    grid.compare({"own": own | {"preset": "cross_entropy"} | JOINT})
    with pytest.raises(UserError, match=r"own: method\.prototypes takes .* must be dgstgcn"):
        grid.runs()


def test_what_every_method_has_comes_first(grid):
    grid.compare({"brl": {"streams": ["bone", "joint", "skip"]}, "ldam": JOINT}, seeds=[0, 1])
    assert [(run.seed, run.method, run.stream) for run in grid.runs()] == [
        (0, "brl", "bone"),
        (0, "ldam", "joint"),
        (1, "brl", "bone"),
        (1, "ldam", "joint"),
        (0, "brl", "joint"),
        (0, "brl", "skip"),
        (1, "brl", "joint"),
        (1, "brl", "skip"),
    ]


CROSS_ENTROPY = {"cross_entropy": JOINT}


@pytest.mark.parametrize(
    ("methods", "changes", "message"),
    [
        ({"brll": JOINT}, {}, "unknown method 'brll'; known: "),
        ({"x": {"preset": "y"} | JOINT}, {}, "unknown method 'y'"),
        (CROSS_ENTROPY, {"settings": {"train.lrr": 1.0}}, "params.yaml has no train.lrr"),
        (CROSS_ENTROPY, {"settings": {"trai.lr": 1.0}}, "params.yaml has no trai.lr"),
        (CROSS_ENTROPY, {"settings": {"train.lr.x": 1.0}}, "params.yaml has no train.lr.x"),
        (CROSS_ENTROPY, {"settings": {"train.lr": -1.0}}, "cross_entropy: train.lr: must be"),
        (CROSS_ENTROPY, {"settings": {"subsample.seed": 1}}, "subsample.seed must be the same"),
        (CROSS_ENTROPY, {"settings": {"seed": 1}}, "seed must be the same"),
        (
            {"cross_entropy": {"system": "stacked"} | JOINT},
            {},
            "cross_entropy: ensemble.kind stacked learns to fuse streams, but there is only joint",
        ),
        (
            {"ldam": {"settings": {"model.head": "linear"}} | JOINT},
            {},
            "ldam: method.loss: ldam takes cosines",
        ),
        (
            {"cross_entropy": JOINT, "brl": {"settings": {"train.validation": 0.3}} | JOINT},
            {"settings": {"train.validation": 0.2}},
            "methods: brl: train.validation 0.3, but cross_entropy has 0.2; must be the same",
        ),
        (
            {"cross_entropy": JOINT, "brl": {"settings": {"evaluate.few_shot_below": 3}} | JOINT},
            {},
            "methods: brl: evaluate.few_shot_below 3, but cross_entropy has 4; must be the same",
        ),
        (
            CROSS_ENTROPY,
            {"preset": "nw_ucla"},
            "preset nw_ucla has dataset.name nw_ucla, params.yaml has t; first: brl preset nw_ucla",
        ),
        (CROSS_ENTROPY, {"preset": "x"}, "unknown preset 'x'; known: custom, "),
        (CROSS_ENTROPY, {"reference": "brl"}, "reference: brl is none of its methods"),
        (CROSS_ENTROPY, {"control": "brl"}, "control: brl is none of its methods"),
        (CROSS_ENTROPY, {"seeds": []}, "seeds: needs 1 or more"),
        (CROSS_ENTROPY, {"ensemble_seeds": [2]}, "ensemble_seeds: 2 must be one of `seeds`"),
        (CROSS_ENTROPY, {"seed": 0}, "seed: unknown key; known here: preset, seeds"),
        ({"cross_entropy": {"streams": []}}, {}, "streams: needs 1 or more"),
        (
            {"cross_entropy": {"streams": ["jont"]}},
            {},
            "cross_entropy: there is no stream jont; there are joint, bone, ",
        ),
        (CROSS_ENTROPY, {"without_classes": ["forth"]}, "no class 'forth'; known: first, second"),
    ],
)
def test_a_mistake_is_one_line_before_any_work(grid, methods, changes, message):
    grid.compare(methods, **changes)
    assert message in refused("compare", "tiny")
    assert not (grid.folder / ".comparison").exists() and not (grid.folder / "reports").exists()


@pytest.mark.parametrize(
    ("name", "value", "had"),
    [
        ("dataset.split", "whole", "half"),
        ("subsample.imbalance_factor", 2.0, 30.0),
        ("train.epochs", 1, 2),
        ("train.augment.rotation", [0.1, 0.1, 0.1], [0.3, 0.3, 0.3]),
        ("streams.joint.lr", 0.3, None),
        ("model.base_channels", 12, 6),
        ("ensemble.weights.joint", 5.0, 2.0),
    ],
)
def test_another_recipe_than_the_presets_is_refused_with_the_first_difference(
    grid, name, value, had
):
    grid.edit_params("evaluate.few_shot_below", 3)  # a later difference
    grid.edit_params(name, value)
    had, value = ("null" if each is None else each for each in (had, value))
    message = f"preset t has {name} {had}, params.yaml has {value}; first: brl preset t"
    assert refused("compare", "tiny") == f"comparisons/tiny.yaml: {message}"
    assert refused("compare", "tiny", "--report").endswith(message)


def test_what_all_rows_set_themselves_and_the_mirror_may_differ_from_the_preset(grid):
    grid.compare({"brl": JOINT, "ldam": JOINT}, settings={"train.lr": 0.2})
    expected = grid.runs()
    for name, value in {
        "seed": 7,
        "train.lr": 0.4,
        "method.mix": "mixup",
        "classifier.kind": "retrained",
        "dataset.mirror": "elsewhere",
    }.items():
        grid.edit_params(name, value)
    mirrored = grid.params().dataset
    assert [run.params for run in grid.runs()] == [
        run.params.model_copy(update={"dataset": mirrored}) for run in expected
    ]
    grid.edit_params("train.epochs", 1)
    assert refused("compare", "tiny").endswith("first: brl preset t --mirror elsewhere")


def test_what_only_some_rows_set_may_not_differ(grid):
    grid.compare({"brl": {"settings": {"train.lr": 0.2}} | JOINT, "ldam": JOINT})
    grid.edit_params("train.lr", 0.4)
    assert "preset t has train.lr 0.05, params.yaml has 0.4" in refused("compare", "tiny")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tinny"], "unknown comparison 'tinny'; known: tiny"),
        ([], "unknown comparison 't'"),  # the dataset's own
        (["tiny", "--report"], "tiny: no run has finished yet"),
    ],
)
def test_a_wrong_call_is_one_line(grid, arguments, message):
    assert message in refused("compare", *arguments)
    assert not (grid.folder / ".comparison").exists() and not (grid.folder / "reports").exists()


def test_the_clips_are_brought_up_to_date_first(grid, monkeypatch):
    asked = []
    monkeypatch.setattr(pipeline, "reproduce", lambda *arguments: asked.append(arguments))
    assert brl("compare", "tinny").exit_code == 1
    assert asked == []  # not for a mistake
    assert brl("compare", "tiny", "--report").exit_code == 1  # no run has finished
    assert asked == [("--quiet", "subsample")]


def test_a_stream_that_was_taken_out(grid):
    grid.compare({"brl": {"streams": ["joint", "skip"]}})
    comparison = grid.comparison()
    content = grid.params().model_dump()
    del content["streams"]["skip"]
    grid.write_params(content)
    with pytest.raises(UserError, match=r"brl: there is no stream skip; there are joint"):
        planned_runs(comparison, grid.params())


@pytest.mark.parametrize("path", sorted(Path("comparisons").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_comparison_of_ours_fits_its_datasets_preset(path, tmp_path):
    preset = yaml.safe_load(path.read_text(encoding="utf-8"))["preset"]
    file = tmp_path / "params.yaml"
    file.write_text(Path("params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    apply_preset(preset, file)
    params = read_params(file)
    comparison: Comparison = read_comparison(path.stem, params)
    rows = comparison.methods.values()
    others = sum(len(row.streams) - 1 for row in rows) * len(comparison.fused_from)
    wanted = len(rows) * len(comparison.seeds) + others
    assert len(planned_runs(comparison, params)) == wanted


def test_other_streams_than_the_first_may_have_fewer_seeds(grid):
    two = {"streams": ["bone", "joint"]}
    grid.compare({"cross_entropy": JOINT, "brl": two}, seeds=[0, 1], ensemble_seeds=[1])
    assert [(run.method, run.stream, run.seed) for run in grid.runs()] == [
        ("cross_entropy", "joint", 0),
        ("brl", "bone", 0),
        ("cross_entropy", "joint", 1),
        ("brl", "bone", 1),
        ("brl", "joint", 1),
    ]


def test_the_published_recipe_is_not_taken_for_the_best_one(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text(Path("params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    apply_preset("nw_ucla", file)
    with pytest.raises(UserError, match=r"nw_ucla_best has train\.rescale false, .* has true"):
        read_comparison("nw_ucla_best", read_params(file))


def test_the_two_views_of_nw_ucla_are_asked_the_same():
    one, other = (
        yaml.safe_load(Path(f"comparisons/nw_ucla_view_{views}.yaml").read_text(encoding="utf-8"))
        for views in ("1_to_2", "2_to_1")
    )
    assert one | {"preset": other["preset"]} == other
