"""A fusion learns from clips that networks have not seen: lists, trainings, scores."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.clip import Clip
from brl.clips.store import ClipStore
from brl.commands.repro import check_pretraining
from brl.comparison.plan import content_of
from brl.config.params import EnsembleParams, Params, PredictParams
from brl.prediction import predict
from brl.scores.scores import load_scores
from brl.streams.weights import load_weights, save_weights
from brl.subset.subset import Subset, write_subset
from brl.support import paths
from brl.support.errors import UserError
from brl.support.paths import (
    FUSION,
    STORE,
    SUBSET,
    TRAINING,
    UNSEEN_CLIPS,
    fold_networks,
    unseen_scores,
)
from brl.training import loop
from brl.training.resuming import checkpoints
from brl.unseen.clips import HELD_OUT, REMEDY, divide, read_unseen, without, write_unseen
from brl.unseen.folds import FoldTraining
from stages import classify, folds, train, unseen
from stages import ensemble as ensemble_stage
from stages import predict as predict_stage
from tests.tiny import (
    PARAMS,
    Interrupted,
    interrupting,
    stored,
    swinging_arms,
    training_part,
)

WEIGHTS = {"joint": 1.0}
VIEW = PredictParams(num_clips=1, batch_size=8, precision="float32")


def ensemble(**source: float) -> EnsembleParams:
    return EnsembleParams(kind="stacked", weights=WEIGHTS, **source)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    return stored(tmp_path_factory.mktemp("clips") / "store", swinging_arms())


def subset_of(store: ClipStore, counts: tuple[int, ...]) -> Subset:
    clips, labels = store.part("half", "train"), store.labels[store.part("half", "train")]
    chosen = [clips[labels == label][:number] for label, number in enumerate(counts)]
    return Subset(np.concatenate(chosen), np.array(counts))


# The lists


@given(st.tuples(*[st.integers(3, 8)] * 3), st.integers(2, 3), st.integers(0, 9))
def test_folds_share_out_the_clips_of_each_class_evenly(store, counts, number, seed):
    subset = subset_of(store, counts)
    training, left_out = divide(store, subset, ensemble(folds=number), seed)
    assert training is subset and left_out.numbers == list(range(1, number + 1))
    assert left_out.clips.tolist() == subset.clips.tolist()
    for label, count in enumerate(counts):
        of_class = left_out.folds[store.labels[left_out.clips] == label]
        sizes = np.bincount(of_class, minlength=number + 1)[1:]
        assert sizes.sum() == count and sizes.min() >= 1 and sizes.max() <= sizes.min() + 1
    for fold in left_out.numbers:
        seen = without(store, subset, left_out.of(fold))
        assert not set(seen.clips) & set(left_out.of(fold)) and seen.counts.min() >= 1
        assert len(seen.clips) + len(left_out.of(fold)) == len(subset.clips)


@given(st.tuples(*[st.integers(2, 8)] * 3), st.sampled_from([0.05, 0.2, 0.5]), st.integers(0, 9))
def test_a_held_out_share_has_every_class_and_leaves_every_class(store, counts, share, seed):
    subset = subset_of(store, counts)
    training, held = divide(store, subset, ensemble(held_out=share), seed)
    assert sorted([*training.clips, *held.clips]) == sorted(subset.clips)
    assert set(held.folds) == {HELD_OUT} and held.numbers == []
    for label, count in enumerate(counts):
        number = int((store.labels[held.clips] == label).sum())
        assert number == min(max(round(share * count), 1), count - 1)
        assert training.counts[label] == count - number


def test_a_fusion_that_does_not_learn_leaves_all_clips_to_the_streams(store):
    subset = subset_of(store, (8, 5, 1))
    training, none = divide(store, subset, EnsembleParams(kind="weighted", weights=WEIGHTS), 0)
    assert training.clips.tolist() == subset.clips.tolist() and len(none.clips) == 0


@pytest.mark.parametrize(
    ("source", "counts", "says"),
    [
        (
            {"folds": 5},
            (8, 5, 3),
            "ensemble.folds: 5, but the class 'third' has 3 training clips: a fold would be "
            "without it; must be 3 at most",
        ),
        (
            {"folds": 2},
            (8, 1, 3),
            "ensemble.folds: 2, but the class 'second' has 1 training clip: a fold would be "
            f"without it; {REMEDY}",
        ),
        (
            {"held_out": 0.2},
            (8, 1, 3),
            "ensemble.held_out: the class 'second' has 1 training clip, either to hold out or to "
            f"train on; {REMEDY}",
        ),
    ],
    ids=["few", "one", "held out"],
)
def test_a_class_with_too_few_clips_gets_one_line(store, source, counts, says):
    with pytest.raises(UserError) as caught:
        divide(store, subset_of(store, counts), ensemble(**source), 0)
    assert str(caught.value) == f"params.yaml: {says}"


def test_the_list_reads_back(store, tmp_path):
    _, left_out = divide(store, subset_of(store, (8, 5, 2)), ensemble(folds=2), 0)
    write_unseen(tmp_path / "unseen.csv", store, left_out)
    again = read_unseen(tmp_path / "unseen.csv", store)
    assert again.clips.tolist() == left_out.clips.tolist()
    assert again.folds.tolist() == left_out.folds.tolist()


# The stages


def params_with(**sections: Any) -> Params:
    content = content_of(PARAMS)
    small = {
        "dataset": {"name": "t", "split": "half"},
        "model": {"base_channels": 6, "blocks": [1]},
        "train": {"epochs": 2, "passes": 1, "clip_len": 8, "batch_size": 8, "warmup": 0.0},
        "predict": VIEW.model_dump(),
    }
    small["train"] |= {"precision": "float32"}
    for changes in (small, sections):
        for section, values in changes.items():
            content[section] = content[section] | values
    return Params.model_validate(content)


class Workplace:
    """The current folder: the clips, the lists of `subsample`, and the stages of `joint`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        root = Path.cwd()
        monkeypatch.setenv("DVC_ROOT", str(folder))
        monkeypatch.setenv("BRL_TRACKING", "off")
        monkeypatch.chdir(folder)
        for name in ("brl", "stages", "dvc.yaml"):
            Path(name).symlink_to(root / name)
        self._patch = monkeypatch

    def prepare(self, clips: list[Clip], params: Params) -> None:
        store = stored(STORE, clips)
        subset = training_part(store)
        training, left_out = divide(store, subset, params.ensemble, params.subsample.seed)
        for folder, part in ((SUBSET, subset), (TRAINING, training)):
            write_subset(folder, store, part, subset.counts)
        write_unseen(UNSEEN_CLIPS, store, left_out)
        for stage in (*STAGES, predict_stage, ensemble_stage):
            self._patch.setattr(stage, "read_params", lambda: params)

    def run(self, stream: str = "joint") -> None:
        for stage in STAGES:
            stage.main(stream)

    def files(self) -> dict[str, bytes]:
        """What the stages wrote: networks and scores."""
        written = [*sorted(fold_networks("joint").glob("*.safetensors"))]
        written += [paths.trained_weights("joint"), unseen_scores("joint")]
        return {str(file): file.read_bytes() for file in written if file.suffix != ".npz"} | {
            "scores": load_scores(unseen_scores("joint")).probabilities.tobytes()
        }


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    def made(name: str = "here") -> Workplace:
        monkeypatch.chdir(HOME)
        return Workplace(tmp_path / name, monkeypatch)

    return made


HOME = Path.cwd()
STAGES = (train, folds, classify, unseen)
FOLDS = {"ensemble": {"kind": "stacked", "folds": 2}}
HELD = {"ensemble": {"kind": "stacked", "held_out": 0.25}}
RETRAINED = {"classifier": {"kind": "retrained"}}


def test_without_a_fusion_that_learns_the_stages_write_next_to_nothing(workplace):
    workplace().prepare(swinging_arms(), params_with())
    folds.main("joint")
    unseen.main("joint")
    assert [file.name for file in fold_networks("joint").iterdir()] == ["none.txt"]
    assert len(load_scores(unseen_scores("joint")).names) == 0


@pytest.mark.parametrize("source", [FOLDS, HELD, FOLDS | RETRAINED], ids=["folds", "held", "cRT"])
def test_a_clip_is_scored_by_a_network_that_did_not_see_it(workplace, source):
    """The scores are those of that network."""
    here, params = workplace(), params_with(**source)
    here.prepare(swinging_arms(), params)
    here.run()
    store = ClipStore.open(STORE)
    left_out, scores = read_unseen(UNSEEN_CLIPS, store), load_scores(unseen_scores("joint"))
    assert scores.names.tolist() == store.names[left_out.clips].tolist()
    assert (scores.labels == store.labels[left_out.clips]).all()
    assert list(checkpoints().iterdir()) == []
    if "classifier" in source:
        return
    for number in left_out.numbers or [HELD_OUT]:
        file = fold_networks("joint") / f"{number}.safetensors" if number else None
        network = load_weights(file or paths.tested_weights("joint"))
        expected = predict(network, store, left_out.of(number), params.predict)
        np.testing.assert_array_equal(scores.probabilities[left_out.folds == number], expected)


@pytest.mark.parametrize("source", [FOLDS, HELD], ids=["folds", "held out"])
def test_what_a_network_did_not_see_has_no_part_in_it(workplace, source):
    """Coordinates of the clips of fold 1, or of the held-out ones, are no numbers."""
    params, clips = params_with(**source), swinging_arms()
    first = workplace("plain")
    first.prepare(clips, params)
    left_out = read_unseen(UNSEEN_CLIPS, ClipStore.open(STORE)).of(
        1 if params.ensemble.folds else 0
    )
    spoilt = [
        replace(clip, joints=np.full_like(clip.joints, np.nan)) if place in left_out else clip
        for place, clip in enumerate(clips)
    ]
    networks = []
    for name, chosen in (("first", clips), ("second", spoilt)):
        here = workplace(name)
        here.prepare(chosen, params)
        store = ClipStore.open(STORE)
        if params.ensemble.folds:
            trained = FoldTraining.all_of(params, "joint", store)[0].train()
            save_weights(Path("first.safetensors"), trained)
            networks.append(Path("first.safetensors").read_bytes())
        else:
            train.main("joint")
            networks.append(paths.trained_weights("joint").read_bytes())
    assert networks[0] == networks[1]


@pytest.mark.parametrize("source", [FOLDS, HELD], ids=["folds", "held out"])
def test_test_clips_have_no_part_in_it(workplace, source):
    """Neither their labels nor their coordinates; a training clip's label has."""
    params, clips = params_with(**source), swinging_arms()
    spoilt = [
        *clips[:-12],
        *(replace(clip, label=2, joints=clip.joints * np.nan) for clip in clips[-12:]),
    ]
    other = [replace(clips[0], label=1), *clips[1:]]
    results = []
    for name, chosen in (("plain", clips), ("spoilt", spoilt), ("other", other)):
        here = workplace(name)
        here.prepare(chosen, params)
        here.run()
        results.append(here.files())
    assert results[0] == results[1] and results[0] != results[2]


@pytest.mark.parametrize("source", [{"folds": 2}, {"held_out": 0.25}], ids=["folds", "held out"])
@pytest.mark.parametrize("kind", ["stacked", "mixer"])
def test_test_clips_have_no_part_in_what_a_fusion_learns(workplace, kind, source):
    """Neither their labels nor their coordinates; the label of a training clip has."""
    clips = swinging_arms()
    spoilt = [replace(clip, label=2, joints=-9 * clip.joints) for clip in clips[-12:]]
    other = replace(clips[0], label=1)
    chosen = {"plain": clips, "spoilt": clips[:-12] + spoilt, "other": [other, *clips[1:]]}
    two = {name: PARAMS.streams[name].model_dump() for name in ("joint", "skip")}
    content = content_of(params_with(ensemble={"kind": kind, **source}))
    params = Params.model_validate(content | {"streams": two})
    learned = []
    for name, given_clips in chosen.items():
        here = workplace(name)
        here.prepare(given_clips, params)
        for stream in two:
            here.run(stream)
            predict_stage.main(stream)
        ensemble_stage.main()
        learned.append(FUSION.read_bytes())
    assert learned[0] == learned[1] and learned[0] != learned[2]


def test_killed_folds_end_with_the_same_bytes(workplace, monkeypatch):
    """Killed in the second fold: the first one's network is not trained anew."""
    params = params_with(**FOLDS)
    whole = workplace("whole")
    whole.prepare(swinging_arms(), params)
    whole.run()
    expected = whole.files()

    killed = workplace("killed")
    killed.prepare(swinging_arms(), params)
    trainings = FoldTraining.all_of(params, "joint", ClipStore.open(STORE))
    trainings[0].train()
    with pytest.raises(Interrupted):
        trainings[1].train(interrupting(1))
    assert len(list(checkpoints().glob("*.pt"))) == 2
    epochs = []
    run_epoch = loop.Training.run_epoch

    def counted(training, bar):
        epochs.append(training.epoch)
        return run_epoch(training, bar)

    monkeypatch.setattr(loop.Training, "run_epoch", counted)
    folds.main("joint")
    assert epochs == [1]
    for stage in (train, classify, unseen):
        stage.main("joint")
    assert killed.files() == expected


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"batch_size": 25}, "pretrain.batch_size: 25, but there are 24 clips to pre-train on"),
        ({"batch_size": 13}, "pretrain.batch_size: 13, but there are 12 clips to pre-train on"),
        ({"batch_size": 12}, None),
        ({"kind": "contrastive", "batch_size": 7}, "7, but there are 12 clips .* must be 6 at"),
        ({"kind": "none", "batch_size": 25}, None),
    ],
)
def test_too_few_clips_to_pretrain_on_are_told_once_before_the_streams(
    workplace, changes, complaint
):
    """24 clips, and 12 without either fold."""
    masked = {"parts": 2, "loss": "cosine"}
    pretrain = {"kind": "masked", "clips": "subset", "epochs": 1, "lr": 0.05, "masked": masked}
    params = params_with(**FOLDS, pretrain=pretrain | changes)
    workplace().prepare(swinging_arms(), params)
    with pytest.raises(UserError, match=complaint) if complaint else nullcontext():
        check_pretraining(params)


def test_each_fold_has_an_encoder_of_its_own(workplace):
    masked = {"parts": 2, "loss": "cosine"}
    pretrain = {"kind": "masked", "epochs": 1, "batch_size": 4, "lr": 0.05, "masked": masked}
    params = params_with(**FOLDS, pretrain=pretrain)
    workplace().prepare(swinging_arms(), params)
    first, second = FoldTraining.all_of(params, "joint", ClipStore.open(STORE))
    assert first.pretraining_clips.tolist() == first.subset.clips.tolist()
    plain = FoldTraining.all_of(params_with(**FOLDS), "joint", ClipStore.open(STORE))[0]
    assert len({*first.identities, *second.identities, *plain.identities}) == 5
    first.train()
    assert {file.name for file in checkpoints().glob("*.pt")} == {
        file.name for file in first.checkpoints
    }
