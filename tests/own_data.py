"""A user's own data, written as docs/own_data.md describes them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from brl.clips.layouts import NW_UCLA20
from brl.datasets.source import Dataset

# Five joints, a trunk with two arms: the smallest body that uses every key of a description.
STICK = {
    "classes": ["wave", "point"],
    "joints": ["hip", "neck", "head", "left hand", "right hand"],
    "parents": ["hip", "hip", "neck", "neck", "neck"],
    "left_right": [["left hand", "right hand"]],
    "upper_body": ["neck", "head", "left hand", "right hand"],
    "lower_body": ["hip"],
    "dimensions": 3,
    "normalize": "center",
    "center": "hip",
}


def write_description(folder: Path, description: dict) -> None:
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
    (folder / "dataset.yaml").write_text(text, encoding="utf-8")


def write_stick_figures(folder: Path, clips: int = 12) -> None:
    """Writes clips of the stick figure; every third is a test clip."""
    folder.mkdir(parents=True, exist_ok=True)
    write_description(folder, STICK)
    draws = np.random.default_rng(0)
    rows = []
    for number in range(clips):
        joints = draws.normal(size=(4 + number % 5, 5, 3)).astype(np.float32)
        np.save(folder / f"clip{number:02d}.npy", joints)
        part = "test" if number % 3 == 2 else "train"
        rows.append((f"clip{number:02d}", STICK["classes"][number // 3 % 2], part))
    table = pd.DataFrame(rows, columns=["name", "label", "split"])
    table.to_csv(folder / "clips.csv", index=False)


def in_split_order(dataset: Dataset) -> Dataset:
    """NW-UCLA with its clips in the order of the official split, which own data have by rows.

    Own data have no official split whose copies are left out of the other splits.
    """
    items = {Path(item).stem: item for item in dataset.items}
    parts = dataset.splits(list(items))["cross_view"]
    ordered = [items[name] for name in (*parts["train"], *parts["test"])]
    return replace(dataset, items=ordered, final=None)


def write_as_own(folder: Path, dataset: Dataset) -> None:
    """Writes the NW-UCLA clips as own data, with a layout of their own."""
    (folder / "joints").mkdir(parents=True)
    description = {
        "classes": list(dataset.classes),
        "parents": list(NW_UCLA20.parents),
        "left_right": [list(pair) for pair in NW_UCLA20.mirror_pairs],
        "upper_body": list(NW_UCLA20.upper_body),
        "dimensions": 3,
        "normalize": "center",
        "center": 1,
    }
    write_description(folder, description)
    clips = [clip for item in dataset.items for clip in dataset.read(item)]
    rows = []
    for clip in clips:
        file = f"joints/{clip.name}.npy"
        np.save(folder / file, clip.joints[0])  # frames x joints x coordinates
        rows.append((clip.name, dataset.classes[clip.label], file))
    table = pd.DataFrame(rows, columns=["name", "label", "file"])
    for split, parts in dataset.splits(list(table["name"])).items():
        part_of = {name: part for part, names in parts.items() for name in names}
        column = "split" if split == "cross_view" else f"split_{split}"
        table[column] = table["name"].map(part_of)
    table.to_csv(folder / "clips.csv", index=False)
