"""Guesses the layout of a file of joints: `brl data layout`."""

import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from brl.clips.layouts import LAYOUTS
from brl.datasets.recordings import nested_lists, numpy_files
from brl.datasets.recordings.read import format_of, read_recording
from brl.datasets.recordings.recording import Recording
from brl.inspection.guess import Channels, Fit, confidence, guess
from brl.support.errors import UserError


def show(file: Path) -> None:
    """Prints how well the known layouts fit a file, and what to write into dataset.yaml.

    Raises UserError where the file is no array of joints, or where no known layout has as many.
    """
    joints = read_joints(file)
    channels = Channels.of(joints)
    bodies, frames, count, _ = joints.shape
    print(f"{file}: bodies: {bodies}, frames: {frames}, joints: {count}, channels: {channels}")
    known = sorted({layout.num_joints for layout in LAYOUTS.values()})
    if count not in known:
        raise UserError(
            f"{file}: no known layout has {count} joints, but {', '.join(map(str, known))}; "
            "describe your own (docs/own_data.md)"
        )
    fits = guess(joints, channels)
    if not fits:
        raise UserError(f"{file}: fewer than half of the {count} joints are ever seen")
    print("How far the bones are off, in each layout that has as many joints:")
    Console(soft_wrap=True).print(_table(fits))
    best, sure = fits[0].layout, confidence(fits)
    if sure == "hardly":
        print("No known layout fits: look at docs/layouts.md, or describe your own.")
        return
    print(f"{sure.capitalize()} {best.name}; docs/layouts.md shows it. In dataset.yaml:\n")
    print(f"layout: {best.name}")
    if channels.dimensions != best.dimensions:
        print(f"dimensions: {channels.dimensions}")
    if channels.scored != best.scored:
        print(f"scored: {str(channels.scored).lower()}")


def read_joints(file: Path) -> np.ndarray:
    """The joints (M, T, V, K) of a recording of any layout.

    What a pose estimator wrote may serve several layouts; the one with the most joints is read.
    Raises UserError where the file holds no joints.
    """
    if not file.exists():
        raise UserError(f"{file}: no such file or folder")
    recording = Recording(file, str(file))
    if format_of(recording) in (numpy_files.FORMAT, nested_lists.FORMAT):
        return _array(file)
    for layout in sorted(LAYOUTS.values(), key=lambda each: -each.num_joints):
        try:
            return read_recording(file, layout, str(file))
        except UserError as error:
            last = error
    raise last


def _array(file: Path) -> np.ndarray:
    """The joints (M, T, V, K) of a .npy file, or of a .json file of nested lists."""
    try:
        if file.suffix == ".json":
            content = json.loads(file.read_text(encoding="utf-8"))
            content = content["skeletons"] if isinstance(content, dict) else content
            joints = np.array(content, dtype=float)
        else:
            joints = np.load(file, allow_pickle=False).astype(float)
    except OSError:
        raise
    except Exception as error:  # a damaged file may raise nearly any exception
        raise UserError(
            f"{file}: not an array of joints ({type(error).__name__}); must be a .npy file, or "
            ".json with nested lists"
        ) from error
    if joints.ndim == 3:
        joints = joints[None]
    if joints.ndim != 4 or not 2 <= joints.shape[-1] <= 4 or not joints.size:
        raise UserError(
            f"{file}: an array of shape {joints.shape}; must be frames x joints x channels "
            "(2 to 4), with or without bodies before them"
        )
    return joints


def _table(fits: list[Fit]) -> Table:
    table = Table("layout", "proportions", "paths", "left/right", "over time")
    for fit in fits:
        numbers = (fit.disproportion, fit.detour, fit.asymmetry, fit.variation)
        table.add_row(fit.layout.name, *(f"{100 * number:.0f} %" for number in numbers))
    return table
