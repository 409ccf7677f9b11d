"""Fusions of a comparison that learn: from trainings that rows share, as the pipeline's stages."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brl.clips.store import ClipStore
from brl.commands.clean import in_comparisons
from brl.comparison import fuse as fusing
from brl.comparison import share as sharing
from brl.comparison.data import encoder_file, weights_file
from brl.comparison.fusions import fusions_of
from brl.comparison.kept import KEPT
from brl.comparison.learned import LearnedFusion, learned_fusions
from brl.comparison.made import made_by_other_code, noted, seconds_of, steps_of
from brl.comparison.plan import content_of
from brl.comparison.record import record
from brl.comparison.results import finished, undefined
from brl.comparison.run import Data, compute
from brl.scores.fusion import fuse, load_fitted
from brl.scores.scores import load_scores, rounded
from brl.subset.subset import Subset, read_subset, write_subset
from brl.support.errors import UserError
from brl.support.paths import FUSED_SCORES, FUSION, fold_networks, trained_weights, unseen_scores
from brl.tracking.runs import Runs
from brl.training.loop import Training
from brl.unseen.clips import divide, write_unseen
from stages import classify, ensemble, folds, predict, pretrain, train, unseen
from tests.command import brl, refused
from tests.comparing import Grid, compute_here, no_workers
from tests.project import HERE
from tests.test_comparison_kept import texts
from tests.test_comparison_run import PRETRAINED, interrupted
from tests.tiny import stored, swinging_arms

TWO = ["joint", "bone"]
BEST = {"preset": "cross_entropy", "streams": TWO}
FOLDS = {"ensemble.folds": 2}
HELD = {"ensemble.folds": 0, "ensemble.held_out": 0.3}
STACKED = BEST | {"system": "stacked", "settings": FOLDS}
MIXER = BEST | {"system": "mmixer", "settings": FOLDS}
ENCODED = PRETRAINED | {"pretrain.batch_size": 4}
ROWS = {"best": BEST, "stacked": STACKED, "mixer": MIXER}


@pytest.fixture
def grid(grid, monkeypatch) -> Grid:
    compute_here(monkeypatch)
    return grid


@pytest.fixture
def epochs(monkeypatch) -> list[tuple[str, int]]:
    """The epochs that are trained: the stream and the number of its clips."""
    trained = []
    begin, run_epoch = Training.__init__, Training.run_epoch

    def begun(self, job, store, subset, *others):
        begin(self, job, store, subset, *others)
        self.clips = len(subset.clips)

    def noted_epoch(self, bar):
        trained.append((self.job.stream.name, self.clips))
        return run_epoch(self, bar)

    monkeypatch.setattr(Training, "__init__", begun)
    monkeypatch.setattr(Training, "run_epoch", noted_epoch)
    return trained


def compute_all(grid: Grid) -> list[LearnedFusion]:
    """Computes what is unfinished; returns the fusions."""
    compute(grid.runs(), Data.read(), "tiny", jobs=1)
    return learned_fusions(grid.runs())


def in_the_pipeline(grid: Grid, fusion: LearnedFusion) -> None:
    """Runs the stages with the parameters of a row, as if it had its streams alone."""
    content = content_of(fusion.runs[0].params)
    content["streams"] = {run.stream: content["streams"][run.stream] for run in fusion.runs}
    grid.write_params(content)
    store, params = ClipStore.open(grid.folder / "data/store"), grid.params()
    subset = read_subset(grid.folder / "data/subset", store)
    training, left_out = divide(store, subset, params.ensemble, params.subsample.seed)
    write_subset(grid.folder / "data/training/subset", store, training, subset.counts)
    write_unseen(grid.folder / "data/unseen.csv", store, left_out)
    for run in fusion.runs:
        for stage in (pretrain, train, folds, classify, unseen, predict):
            stage.main(run.stream)
    ensemble.main()


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [FOLDS, HELD, FOLDS | ENCODED, FOLDS | {"classifier.kind": "retrained"}],
    ids=["folds", "held out", "pre-trained", "retrained"],
)
@pytest.mark.parametrize("system", ["stacked", "mmixer"])
def test_a_fusion_is_what_the_pipeline_makes_of_the_same_streams(grid, system, settings):
    row = BEST | {"system": system, "settings": settings}
    grid.compare({"learned": row}, seeds=[2])
    (fusion,) = compute_all(grid)
    data = Data.read()
    computed = load_scores(data.fused_file(fusion))
    in_the_pipeline(grid, fusion)
    for run in fusion.runs:
        ours = weights_file(data.trained_key(run))
        assert ours.read_bytes() == trained_weights(run.stream).read_bytes()
        theirs = load_scores(unseen_scores(run.stream)).probabilities
        np.testing.assert_array_equal(fusing.unseen_scores(run, data).probabilities, theirs)
    for run in fusion.further:
        ours = weights_file(data.trained_key(run))
        theirs = fold_networks(run.stream) / f"{run.unseen}.safetensors"
        assert ours.read_bytes() == theirs.read_bytes()
    fused = load_scores(FUSED_SCORES)
    if system == "stacked":  # of scores that the comparison has rounded
        streams = {run.stream: load_scores(data.scores_file(run)) for run in fusion.runs}
        fused = fuse(streams, fusion.runs[0].params.ensemble, load_fitted(FUSION))
    assert computed.names.tolist() == fused.names.tolist()
    np.testing.assert_array_equal(computed.probabilities, rounded(fused.probabilities))


def test_rows_share_their_trainings(grid, epochs):
    grid.compare(ROWS)
    fusions = compute_all(grid)
    data, runs = Data.read(), grid.runs()
    sizes = {15: 2, 8: 2, 7: 2}  # epochs of the whole subset and of it without either fold
    assert {each: epochs.count(each) for each in epochs} == {
        (stream, clips): number for stream in TWO for clips, number in sizes.items()
    }
    assert made_by_other_code(runs, data) == (0, 0)
    first, second = (load_scores(data.fused_file(each)).probabilities for each in fusions)
    assert np.abs(first - second).max() > 1e-3
    compute_all(grid)
    assert len(epochs) == 12
    streams = {(one.method, one.source) for one in finished(runs, data)} - {
        (row, stream) for row in ROWS for stream in TWO
    }
    assert streams == {(row, "2 streams") for row in ROWS}


def test_a_held_out_share_trains_streams_of_its_own(grid, epochs):
    grid.compare({"best": BEST, "stacked": STACKED | {"settings": HELD}})
    (fusion,) = compute_all(grid)
    assert {clips for _, clips in epochs} == {15, 10} and len(epochs) == 2 * 2 * 2
    assert fusion.further == []


def test_an_interrupted_fold_resumes(grid, epochs, monkeypatch):
    grid.compare({"best": BEST})
    compute_all(grid)
    grid.compare(ROWS)
    with monkeypatch.context() as patch:
        patch.setattr(Training, "save", interrupted)
        with pytest.raises(UserError, match=r"4 of 6 .*: stacked \w+, seed 0, without fold \d: "):
            compute_all(grid)
    data, runs = Data.read(), grid.runs()
    further = {data.trained_key(run) for each in learned_fusions(runs) for run in each.further}
    assert len(further) == 4 and set(in_comparisons(grid.params(), data)) == further
    fusions = compute_all(grid)
    assert len(epochs) == 2 * 6 and set(in_comparisons(grid.params(), data)) == set()
    expected = [load_scores(data.fused_file(each)).probabilities for each in fusions]
    shutil.rmtree(grid.folder / ".comparison")
    for each, again in zip(expected, compute_all(grid), strict=True):
        np.testing.assert_array_equal(load_scores(data.fused_file(again)).probabilities, each)


def test_each_fold_has_an_encoder_of_its_own_without_it(grid):
    grid.compare(
        {"best": BEST | {"settings": ENCODED}, "stacked": STACKED | {"settings": FOLDS | ENCODED}}
    )
    (fusion,) = compute_all(grid)
    data = Data.read()
    for run in fusion.unseen:
        _, clips = data.parts(run)
        assert len(clips) and not set(clips) & set(data.pretraining_clips(run))
        weights, encoder = weights_file(data.trained_key(run)), data.encoder_key(run)
        assert encoder_file(encoder).exists() and steps_of(weights) == 2 * 1 + 3 * 2
    keys = {data.encoder_key(run) for run in (*grid.runs(), *fusion.unseen)}
    assert len(keys) == 2 + 2 * 2  # rows share those of all clips
    held_out = STACKED | {"settings": HELD | ENCODED}
    grid.compare({"held out": held_out})
    assert not keys & {data.encoder_key(run) for run in grid.runs()}


def test_another_machine_reports_the_same_without_weights(grid):
    report = grid.folder / "reports/comparisons/tiny"
    grid.compare(ROWS)
    assert brl("compare", "tiny").exit_code == 0
    first, kept = texts(report), (report / KEPT).read_bytes()
    shutil.rmtree(grid.folder / ".comparison")
    done = brl("compare", "tiny", "--report")
    # Two streams, whose scores the rows share, and two fusions.
    assert done.exit_code == 0 and "tiny: 4 files of scores taken from" in done.stderr
    assert texts(report) == first and (report / KEPT).read_bytes() == kept
    done = brl("compare", "tiny")
    assert "10 runs, 0 to do\n" in done.stderr and texts(report) == first


def test_a_mixer_that_joins_elsewhere_has_its_networks_trained_again(grid, epochs):
    """Git keeps scores, and no weights."""
    grid.compare({"best": BEST})
    assert brl("compare", "tiny").exit_code == 0
    shutil.rmtree(grid.folder / ".comparison")
    grid.compare({"best": BEST, "stacked": STACKED})
    assert "8 runs, 4 to do, 1 fusions to learn" in brl("compare", "tiny").stderr
    assert len(epochs) == 2 * (2 + 4)
    grid.compare(ROWS)
    assert "10 runs, 6 to do, 1 fusions to learn" in brl("compare", "tiny").stderr
    assert len(epochs) == 2 * (2 + 4 + 2)


def test_what_a_fusion_costs_includes_the_trainings_without_a_fold(grid):
    grid.compare(ROWS)
    assert brl("compare", "tiny").exit_code == 0
    report = grid.folder / "reports/comparisons/tiny"
    table = pd.read_csv(report / "results.csv").set_index(["method", "what"])
    data = Data.read()
    for fusion in learned_fusions(grid.runs()):
        trainings = [*fusion.runs, *fusion.further]
        files = [weights_file(data.trained_key(run)) for run in trainings]
        fused = table.loc[fusion.method, "2 streams"]
        assert fused["steps"] == sum(map(steps_of, files)) == 2 * (2 * 2 + 2 * 1 + 2 * 1)
        assert fused["minutes"] == pytest.approx(sum(map(seconds_of, files)) / 60, abs=1e-3)
        assert fused["tflop"] > 1.5 * table.loc["best", "2 streams"]["tflop"] > 0
        alone = table.loc[fusion.method, "joint"]
        assert alone["steps"] == table.loc["best", "joint"]["steps"] == 2 * 2
    page = (report / "README.md").read_text()
    assert page.count("includes the trainings without a fold") == 1
    assert "of the 6 trainings: device" in page and "of the 4 scores: device" in page
    grid.compare({"best": BEST})
    assert brl("compare", "tiny").exit_code == 0
    assert "without a fold" not in (report / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("source", [FOLDS, HELD], ids=["folds", "held out"])
@pytest.mark.parametrize("system", ["stacked", "mmixer"])
def test_test_clips_have_no_part_in_what_a_fusion_learns(grid, monkeypatch, system, source):
    """Neither their labels nor their coordinates; the coordinates of a training clip have."""
    learned, clips = [], swinging_arms()
    fit, mix = fusing.fit, fusing.mix

    def fitted(*given):
        learned.append(fit(*given))
        return learned[-1]

    def mixed(*given):
        mixer, probabilities = mix(*given)
        learned.append(mixer.arrays())
        return mixer, probabilities

    monkeypatch.setattr(fusing, "fit", fitted)
    monkeypatch.setattr(fusing, "mix", mixed)
    grid.compare({"learned": BEST | {"system": system, "settings": source}})
    spoilt = [replace(clip, label=2, joints=-9 * clip.joints) for clip in clips[-12:]]
    other = replace(clips[0], joints=clips[3].joints)
    for chosen in (clips, clips[:-12] + spoilt, [other, *clips[1:]]):
        stored(grid.folder / "data/store", chosen)
        compute_all(grid)
    plain, without_test_clips, changed = (
        {name: array.tobytes() for name, array in each.items()} for each in learned
    )
    assert plain == without_test_clips and plain != changed


@pytest.mark.parametrize("source", [FOLDS, HELD], ids=["folds", "held out"])
def test_clips_of_a_validation_part_judge_alone(grid, source):
    rows = {"best": BEST, "stacked": STACKED | {"settings": source}}
    grid.compare(rows, seeds=[0, 1], settings={"train.validation": 0.2})
    write_subset_of_three(grid)
    data = Data.read()
    for fusion in learned_fusions(grid.runs()):
        judging = set(data.judged(fusion.runs[0])[1])
        assert judging and not judging & set(data.store.part("half", "test"))
        for run in (*fusion.runs, *fusion.unseen):
            training, scored = data.parts(run)
            assert not judging & set(training.clips)
            assert not set(training.clips) & set(scored)
            assert (set(scored) == judging) == (run.unseen is None)


def write_subset_of_three(grid: Grid) -> None:
    """Classes of eight, five and three training clips, so that one can be held out twice."""
    store = ClipStore.open(grid.folder / "data/store")
    clips = store.part("half", "train")
    chosen = [clips[store.labels[clips] == c][:n] for c, n in enumerate((8, 5, 3))]
    subset = Subset(np.concatenate(chosen), np.array([8, 5, 3]))
    write_subset(grid.folder / "data/subset", store, subset, np.array([8, 8, 8]))


def test_a_fusion_that_learns_is_made_of_all_streams_alone(grid):
    three = {"streams": ["joint", "bone", "skip"]}
    grid.compare({"best": BEST | three, "stacked": STACKED | three, "two": STACKED})
    assert fusions_of(grid.runs()) == {
        "best": {"2 streams": ("joint", "bone"), "all streams": ("joint", "bone", "skip")},
        "stacked": {"all streams": ("joint", "bone", "skip")},
        "two": {"2 streams": ("joint", "bone"), "all streams": ("joint", "bone")},
    }


def test_weights_of_zero_do_not_matter_to_a_fusion_that_learns(grid):
    weights = {f"ensemble.weights.{stream}": 0.0 for stream in TWO}
    grid.compare({"stacked": STACKED | {"settings": FOLDS | weights}})
    assert undefined(grid.runs()) == {}


def test_seeds_of_the_first_stream_alone_have_no_fusion(grid):
    grid.compare({"stacked": STACKED}, seeds=[0, 1], ensemble_seeds=[1])
    assert [each.seed for each in learned_fusions(grid.runs())] == [1]


def test_a_class_with_too_few_clips_gets_one_line_before_any_training(grid):
    grid.compare({"best": BEST, "stacked": STACKED | {"settings": {"ensemble.folds": 3}}})
    assert refused("compare", "tiny") == (
        "comparison: stacked: ensemble.folds: 3, but the class 'third' has 2 training clips: a "
        "fold would be without it; must be 2 at most"
    )
    assert not (grid.folder / ".comparison").exists()


def test_a_fusion_is_one_run_above_its_streams(tracked, monkeypatch):
    grid = Grid(tracked)
    monkeypatch.chdir(tracked)
    monkeypatch.setattr(sharing, "workers", no_workers)
    grid.compare({"stacked": STACKED})
    (fusion,) = compute_all(grid)
    data, runs = Data.read(), grid.runs()
    for _ in range(2):  # not recorded again
        record(finished(runs, data), runs, data, "tiny")
    kinds = pd.Series([run.data.tags["kind"] for run in Runs().search()])
    assert kinds.value_counts().to_dict() == {"fold": 4, "compared": 3}
    by_name = {run.info.run_name: run for run in Runs().search()}
    fused = by_name["tiny: stacked 2 streams, seed 0"]
    assert fused.data.params["ensemble.kind"] == "stacked"
    assert "accuracy/top1" in fused.data.metrics and "device" in fused.data.tags
    joint = by_name["tiny: stacked joint, seed 0"]
    assert joint.data.tags["mlflow.parentRunId"] == fused.info.run_id
    assert "tiny: stacked joint, seed 0, without fold 1" in by_name
    assert noted(data.fused_file(fusion))


@pytest.fixture
def code(grid) -> Path:
    """A copy of brl/, to change it."""
    (grid.folder / "brl").unlink()
    shutil.copytree(HERE / "brl", "brl", ignore=shutil.ignore_patterns("__pycache__"))
    return grid.folder / "brl"


def test_a_fusion_of_other_code_is_computed_again_where_its_sources_are(grid, code, epochs):
    grid.compare(ROWS)
    fusions = compute_all(grid)
    data, runs = Data.read(), grid.runs()
    with (code / "scores/fusion.py").open("a") as text:
        text.write("# may have an influence\n")
    assert made_by_other_code(runs, data) == (0, 2)
    compute_all(grid)
    assert made_by_other_code(runs, data) == (0, 0) and len(epochs) == 12
    shutil.rmtree(grid.folder / ".comparison/trained")
    with (code / "scores/fusion.py").open("a") as text:
        text.write("# more of it\n")
    compute_all(grid)
    assert made_by_other_code(runs, data)[1] == 1 and len(epochs) == 12  # the mixer's
    assert all(data.fused_file(each).exists() for each in fusions)
