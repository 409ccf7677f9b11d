"""`brl probe`: its table, its runs in MLflow, and what it asks for first."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run

from brl.commands import pipeline
from brl.probing.encoder import EVALUATIONS, Encoder
from brl.report.columns import COLUMNS
from brl.support.paths import PROBE, pretrained_encoder
from brl.tracking.runs import Runs
from stages import pretrain
from tests.command import brl, refused
from tests.comparing import Grid
from tests.test_pretraining import MASKED

JOINT = {"joint": {"inputs": "joint"}}


@pytest.fixture
def project(tracked, monkeypatch) -> Grid:
    """A stream that is to be pre-trained; for DVC everything is up to date."""
    grid = Grid(tracked)
    monkeypatch.chdir(tracked)
    monkeypatch.setattr(pipeline, "set_up", lambda: None)
    monkeypatch.setattr(pipeline, "changed_stages", list)
    grid.edit_params("pretrain", MASKED)
    grid.edit_params("streams", JOINT)
    return grid


@pytest.fixture
def pretrained(project) -> Grid:
    pretrain.main("joint")
    return project


def probed() -> pd.DataFrame:
    """What the command writes."""
    done = brl("probe")
    assert done.exit_code == 0, done.stderr
    return pd.read_csv(PROBE)


def recorded() -> list[Run]:
    """The runs of evaluations, oldest first."""
    return Runs().search("tags.kind = 'probe'")[::-1]


def by_name(runs: list[Run]) -> dict[tuple[str, str], Run]:
    params = [run.data.params for run in runs]
    names = [(each["probe.evaluation"], each["probe.encoder"]) for each in params]
    return dict(zip(names, runs, strict=True))


def test_every_evaluation_has_a_row_and_a_run_below_the_pretraining(pretrained):
    table = probed()
    assert list(table) == ["stream", "evaluation", "encoder", "labels", *COLUMNS]
    encoders = ("pre-trained", "random")
    expected = [("joint", name, encoder) for name in EVALUATIONS for encoder in encoders]
    assert list(table[["stream", "evaluation", "encoder"]].itertuples(index=False)) == expected
    assert table["labels"].tolist() == [15, 15, 15, 15, 3, 3, 3, 3]  # of 8, 5 and 2 clips
    runs = by_name(recorded())
    (first,) = Runs().search("tags.kind = 'pretraining'")
    assert len(runs) == len(table)
    for row in table.itertuples():
        run = runs[row.evaluation, row.encoder]
        shown = {name: run.data.metrics[f"accuracy/{name}"] for name in COLUMNS}
        assert shown == {name: getattr(row, name) for name in COLUMNS}
        assert run.info.status == "FINISHED" and "device" in run.data.tags
        assert run.data.tags["mlflow.parentRunId"] == first.info.run_id
        assert run.data.tags["pretrained.digest"] == first.data.tags["weights.digest"]
        assert run.data.tags["method"].startswith(f"{row.evaluation}, {row.encoder} encoder")
        assert run.data.params["pretrain.epochs"] == "3" and "method.loss" not in run.data.params
    page = PROBE.with_suffix(".md").read_text(encoding="utf-8").splitlines()
    assert page[0] == "# `brl probe`" and "masked pre-training, seed 0" in page[2]
    assert page[5] == "|---|---|---|---:|---:|---:|---:|---:|---:|"
    assert page[6].startswith("| joint | linear | pre-trained | 15 | ") and len(page) == 6 + 8


def test_a_perfect_encoder_has_100(pretrained, monkeypatch):
    def one_hot(self: Encoder) -> tuple[np.ndarray, ...]:
        labels = self.clips.store.labels
        return tuple(np.eye(3)[labels[c]] for c in (self.clips.subset.clips, self.clips.tested))

    monkeypatch.setattr(Encoder, "features", property(one_hot))
    table = probed().query("evaluation in ('linear', '1-NN')")
    assert (table[list(COLUMNS)] == 100).all(axis=None) and len(table) == 4


def test_the_encoder_is_that_of_the_pretraining(pretrained, monkeypatch):
    """Its scores are not those of random weights."""
    seen = []
    evaluated = Encoder.evaluated
    monkeypatch.setattr(
        Encoder, "evaluated", lambda *call: seen.append(evaluated(*call)) or seen[-1]
    )
    probed()
    for own, random in zip(seen[::2], seen[1::2], strict=True):
        assert own.shape == random.shape == (12, 3) and not np.array_equal(own, random)


def test_what_is_done_is_not_computed_or_recorded_again(pretrained, monkeypatch):
    table, runs = probed(), recorded()
    monkeypatch.setattr(Encoder, "evaluated", None)
    assert probed().equals(table)
    assert [run.info.run_id for run in recorded()] == [run.info.run_id for run in runs]
    pretrained.edit_params("evaluate.few_shot_below", 3)
    probed()  # other groups of the same scores
    assert len(recorded()) == 2 * len(runs)
    assert "device" not in recorded()[-1].data.tags


def test_an_interrupted_probe_resumes(pretrained, monkeypatch):
    whole = probed()
    for file in Path(".probe").iterdir():
        file.unlink()
    computed: list[str] = []
    evaluated = Encoder.evaluated

    def noted(stop: int, self: Encoder, evaluation: str, checkpoint: Path) -> np.ndarray:
        computed.append(evaluation)
        if len(computed) == stop:
            raise KeyboardInterrupt
        return evaluated(self, evaluation, checkpoint)

    for stop, exit_code in ((6, 130), (0, 0)):
        monkeypatch.setattr(
            Encoder, "evaluated", lambda *call, stop=stop: partial(noted, stop)(*call)
        )
        assert brl("probe").exit_code == exit_code
    assert len(computed) == len(whole) + 1
    assert pd.read_csv(PROBE).equals(whole)
    assert {file.suffix for file in Path(".probe").iterdir()} == {".npz"}


def test_without_tracking_there_is_the_same_table(pretrained, monkeypatch):
    monkeypatch.setenv("BRL_TRACKING", "off")
    assert len(probed()) == 2 * len(EVALUATIONS)
    monkeypatch.setenv("BRL_TRACKING", "on")
    assert recorded() == []


def test_without_a_pretraining_there_is_one_line(project):
    project.edit_params("pretrain.kind", "none")
    assert refused("probe").startswith("params.yaml: pretrain.kind: none, so there is no encoder")


def test_streams_with_checkpoints_are_left_out(pretrained):
    checkpoint = {"weights": {"file": "j.pth", "sha256": "a"}}
    pretrained.edit_params("streams", {"bone": {"inputs": "bone"} | checkpoint} | JOINT)
    assert set(probed()["stream"]) == {"joint"}
    pretrained.edit_params("streams", {"bone": {"inputs": "bone"} | checkpoint})
    assert "brl weights bone none" in refused("probe")


@pytest.mark.parametrize("stage", ["subsample", "pretrain@joint"])
def test_results_of_other_parameters_are_refused(project, monkeypatch, stage):
    monkeypatch.setattr(pipeline, "changed_stages", lambda: [stage, "train@joint"])
    said = refused("probe")
    assert said.startswith(f"{stage}: its results are not there") and said.endswith("make repro")


def test_a_foreign_encoder_gets_one_line(project):
    pretrained_encoder("joint").parent.mkdir()
    pretrained_encoder("joint").write_bytes(b"none")
    assert "joint.safetensors: not a pre-trained encoder" in refused("probe")
