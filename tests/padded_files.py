"""Whole datasets in a few files, as CTR-GCN and 2s-AGCN write them."""

import pickle
from pathlib import Path

import numpy as np

from brl.clips.clip import PARTS

# For each part its clips, joints (M, T, V, C) of one or two bodies, and their labels.
Parts = dict[str, tuple[list[np.ndarray], list[int]]]
PADDING = 3  # frames behind the longest clip


def padded(clips: list[np.ndarray]) -> np.ndarray:
    """The clips of a part, (N, T, M, V, C), zero where there is no body or no frame."""
    longest = max(joints.shape[1] for joints in clips)
    array = np.zeros((len(clips), longest + PADDING, 2, *clips[0].shape[2:]), np.float32)
    for number, joints in enumerate(clips):
        array[number, : joints.shape[1], : len(joints)] = joints.swapaxes(0, 1)
    return array


def ctrgcn_arrays(parts: Parts, num_classes: int) -> dict[str, np.ndarray]:
    """The arrays of CTR-GCN's `.npz`, by their names in it."""
    arrays = {}
    for part, (clips, labels) in parts.items():
        whole = padded(clips)
        arrays[f"x_{part}"] = whole.reshape(*whole.shape[:2], -1)
        arrays[f"y_{part}"] = np.eye(num_classes)[labels]
    return arrays


def write_agcn(folder: Path, parts: Parts, **changes) -> None:
    """The files of 2s-AGCN, which calls the test part `val`; changes: to files, by name."""
    for part, word in zip(PARTS, ("train", "val"), strict=True):
        clips, labels = parts[part]
        names = [f"{word}{number}.skeleton" for number in range(len(labels))]
        content = changes.get(f"{word}_label", (names, labels))
        array = changes.get(f"{word}_data", padded(clips).transpose(0, 4, 1, 3, 2))
        np.save(folder / f"{word}_data_joint.npy", array)
        (folder / f"{word}_label.pkl").write_bytes(pickle.dumps(content))
