"""A project folder with a tiny dataset on which methods are compared."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from brl.clips.store import ClipStore
from brl.cluster.workers import Call
from brl.commands import pipeline
from brl.comparison import share as sharing
from brl.comparison.file import Comparison
from brl.comparison.made import note, present_code
from brl.comparison.plan import Run, content_of, planned_runs, read_comparison
from brl.comparison.run import Data
from brl.config.params import Params, read_params
from brl.scores.scores import Scores, save_scores
from brl.subset.subset import Subset, read_subset, write_subset
from brl.unseen.clips import divide, write_unseen
from tests.project import HERE
from tests.tiny import PARAMS, stored, swinging_arms

TRAIN = {"epochs": 2, "passes": 1, "batch_size": 8, "clip_len": 8, "lr": 0.05}
JOINT = {"streams": ["joint"]}


class Grid:
    """A project folder: three classes with 8, 5 and 2 training clips, a narrow network, and the
    comparison `tiny`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        store = stored(folder / "data/store", swinging_arms())
        labels, clips = store.labels, store.part("half", "train")
        chosen = np.concatenate([clips[labels[clips] == c][:n] for c, n in enumerate((8, 5, 2))])
        subset = Subset(chosen, np.bincount(labels[chosen]))
        for name in ("data/subset", "data/training/subset"):
            write_subset(folder / name, store, subset, np.bincount(labels[clips]))
        (folder / "data/unseen.csv").write_text("name,fold\n")
        (folder / "presets").mkdir()
        presets = [f"presets/{path.name}" for path in (HERE / "presets").iterdir()]
        for name in ("brl", "stages", "dvc.yaml", *presets):
            (folder / name).symlink_to(HERE / name)
        content = PARAMS.model_dump()
        content["dataset"] |= {"name": "t", "split": "half"}
        content["model"] |= {"base_channels": 6, "blocks": [1]}
        content["train"] |= TRAIN | {"precision": "float32"}
        content["predict"] |= {"num_clips": 1, "precision": "float32"}
        content["evaluate"] = {"many_shot_above": 6, "few_shot_below": 4}
        self.write_params(content)
        self.compare({"cross_entropy": JOINT})

    def write_params(self, content: dict[str, Any]) -> None:
        """Writes params.yaml, and the preset that makes it."""
        without_mirror = content | {"dataset": {"name": "t", "split": content["dataset"]["split"]}}
        for name, values in {"params.yaml": content, "presets/t.yaml": without_mirror}.items():
            text = yaml.safe_dump(values, sort_keys=False)
            (self.folder / name).write_text(text, encoding="utf-8")

    def edit_params(self, name: str, value: Any) -> None:
        """Sets a dotted parameter in params.yaml, but not in the preset."""
        content = self.params().model_dump()
        *sections, key = name.split(".")
        reduce(getitem, sections, content)[key] = value
        text = yaml.safe_dump(content, sort_keys=False)
        (self.folder / "params.yaml").write_text(text, encoding="utf-8")

    def fold(self, number: int) -> None:
        """Has a stacked fusion learn from so many folds, as `subsample` would."""
        content = content_of(self.params())
        content["ensemble"] |= {"kind": "stacked", "folds": number}
        text = yaml.safe_dump(content, sort_keys=False)
        (self.folder / "params.yaml").write_text(text, encoding="utf-8")
        store = ClipStore.open(self.folder / "data/store")
        subset = read_subset(self.folder / "data/training/subset", store)
        _, unseen = divide(store, subset, self.params().ensemble, seed=0)
        write_unseen(self.folder / "data/unseen.csv", store, unseen)

    def compare(self, methods: dict[str, Any], **changes: Any) -> None:
        """Writes comparisons/tiny.yaml."""
        content = {
            "preset": "t",
            "seeds": [0],
            "settings": {},
            "reference": next(iter(methods), ""),
            "without_classes": [],
            "methods": methods,
        }
        (self.folder / "comparisons").mkdir(exist_ok=True)
        text = yaml.safe_dump(content | changes, sort_keys=False)
        (self.folder / "comparisons/tiny.yaml").write_text(text, encoding="utf-8")

    def params(self) -> Params:
        return read_params(self.folder / "params.yaml")

    def comparison(self) -> Comparison:
        return read_comparison("tiny", self.params())

    def runs(self) -> list[Run]:
        return planned_runs(self.comparison(), self.params())

    def pretend(self, predicted: Callable[[Run, np.ndarray], np.ndarray]) -> None:
        """Writes scores of all runs: the class that `predicted` says, of the run and the clips'
        labels (n,), gets 0.75."""
        data, runs = Data.read(), self.runs()
        code = present_code(runs)
        for run in runs:
            _, clips = data.parts(run)
            labels = data.store.labels[clips]
            probabilities = np.full((len(clips), 3), 0.125, dtype=np.float32)
            probabilities[np.arange(len(clips)), predicted(run, labels)] = 0.75
            file = data.scores_file(run)
            save_scores(file, Scores(data.store.names[clips], labels, probabilities))
            note(file, code[run.network].scoring, predict=run.params.predict.precision)


class InThisProcess:
    """Stands for workers: does tasks at once in this process, where monkeypatches hold."""

    are_elsewhere = False

    def results(self, tasks: list[Any], call: Callable[[Any], Call]) -> Iterator[tuple[Any, Any]]:
        for task in tasks:
            made = call(task)
            yield task, made.function(*made.arguments)


def no_workers(*_: Any) -> AbstractContextManager[InThisProcess]:
    """Stands for the start of workers."""
    return nullcontext(InThisProcess())


def compute_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets `brl compare` train in this process, on the clips that are there."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(sharing, "workers", no_workers)
    monkeypatch.setattr(pipeline, "reproduce", lambda *_: None)
