"""Invented results of any number of classes: the rarer a class, the lower its accuracy."""

from pathlib import Path

import numpy as np
import pandas as pd

from brl.clips.clip import Clip
from brl.clips.layout import Layout
from brl.clips.layouts import NTU25
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore, write_store
from brl.config.params import EvaluateParams, Params
from brl.datasets.data_report import by_class
from brl.datasets.facts import facts_of
from brl.report.data import DataReport
from brl.report.results import Results
from brl.scores.metrics import shot_groups
from brl.scores.scores import Scores
from tests.tiny import PARAMS

STREAMS = ("joint", "bone", "joint_motion")
TESTED = 6  # test clips of a class
# As `brl.tracking.machine.surroundings` says it.
MADE_BY = {
    "device": "Processor 9",
    "device.features": "AVX2",
    "threads": "1",
    "processes": "1",
    "python": "3.11.7",
    "torch": "2.13.0",
    "numpy": "2.4.6",
    "git.commit": f"{'0123456789' * 4}",
}
GROUPS = EvaluateParams(many_shot_above=100, few_shot_below=20)


def standing(layout: Layout, up: int, sign: int, frames: int = 50) -> np.ndarray:
    """A body (T, V, K) with its upper joints above its lower ones along the axis `up`.

    Left and right are apart along the first other axis, along which the body also moves.
    """
    axes = [axis for axis in range(layout.dimensions) if axis != up]
    body = np.zeros((layout.num_joints, layout.channels))
    body[:, up] = sign * np.where(layout.lower_body(), -1.0, 1.0)
    for left, right in layout.mirror_pairs:
        body[left, axes[0]], body[right, axes[0]] = -0.5, 0.5
    body += 0.01 * np.arange(1, layout.num_joints + 1)[:, None]
    moved = np.tile(body, (frames, 1, 1))
    moved[:, :, axes[0]] += np.linspace(0, 1, frames)[:, None]
    return moved


def store_of(
    folder: Path, classes: list[str], layout: Layout = NTU25, up: int = 2, sign: int = 1
) -> ClipStore:
    """Test clips of each class, every third with two bodies, and one for training."""
    body = standing(layout, up, sign)
    clips = []
    for number in range(TESTED * len(classes) + 1):
        joints = np.stack([body, body + 0.4][: 2 if number % 3 == 0 else 1])
        label = number % len(classes)
        clips.append(Clip(f"clip{number:04d}", label, joints.astype(np.float32)))
    write_store(
        folder,
        clips,
        dataset="t",
        layout=layout,
        classes=tuple(classes),
        splits=lambda names: {"half": {"train": names[-1:], "test": names[:-1]}},
        normalization=Normalization("none"),
    )
    return ClipStore.open(folder)


def scores_of(store: ClipStore, sureness: np.ndarray, seed: int) -> Scores:
    """Scores that are correct more often, the larger the label's `sureness` (C,)."""
    draws, tested = np.random.default_rng(seed), store.part("half", "test")
    labels, count = store.labels[tested], len(store.classes)
    logits = draws.gumbel(size=(len(labels), count))
    logits[np.arange(len(labels)), labels] += sureness[labels]
    logits[np.arange(len(labels)), (labels + 1) % count] += 1.5
    shares = np.exp(logits)
    shares /= shares.sum(axis=1, keepdims=True)
    return Scores(store.names[tested], labels, shares.astype(np.float32))


def results(folder: Path, names: list[str], params: Params = PARAMS) -> Results:
    """A long tail from 300 training clips to 3."""
    store = store_of(folder / "store", names)
    counts = np.geomspace(300, 3, len(names)).round().astype(int)
    classes = pd.DataFrame({"class": names, "train_clips": counts})
    classes["group"] = shot_groups(counts, GROUPS)
    streams = {name: scores_of(store, np.log(counts), seed) for seed, name in enumerate(STREAMS)}
    made = {stream: [MADE_BY] for stream in STREAMS}
    curve = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3, 2, 1], "accuracy": [20, 50, 80]})
    return Results(
        params=params,
        classes=classes,
        streams=streams,
        fused=scores_of(store, 1.5 * np.log(counts), len(STREAMS)),
        curves=dict.fromkeys(STREAMS, curve),
        store=store,
        data=data_of(store),
        made={"train": made, "predict": made},
    )


def data_of(store: ClipStore) -> DataReport:
    """A report with findings on two splits, `half` and another one."""
    facts = [
        facts_of(Clip(name, 0, store.joints(clip)), store.layout)
        for clip, name in enumerate(store.names)
    ]
    classes = by_class(store, facts)
    split = PARAMS.dataset.split
    findings = pd.DataFrame(
        [
            (f"{split}: test clips equal to a training clip", 2, "clip0003"),
            ("other: classes without a test clip", 1, "none"),
            ("clips with missing joints", 5, "clip0001 <of many>"),
        ],
        columns=["finding", "count", "example"],
    )
    return DataReport(
        pd.concat([classes.assign(split=split), classes.assign(split="other")]), findings
    )


def class_names(count: int) -> list[str]:
    return [f"action number {number}" for number in range(count)]
