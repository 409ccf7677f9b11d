"""Files of motion capture, as its programs write them."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import c3d
import numpy as np

# A trunk with two arms, of which one bends; the joints are not in the order of any layout.
BVH_HIERARCHY = """HIERARCHY
ROOT Hips
{
\tOFFSET 0.00 0.00 0.00
\tCHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
\tJOINT Chest
\t{
\t\tOFFSET 0.00 2.00 0.00
\t\tCHANNELS 3 Zrotation Xrotation Yrotation
\t\tJOINT Left Hand
\t\t{
\t\t\tOFFSET 1.00 0.50 0.00
\t\t\tCHANNELS 0
\t\t\tEnd Site
\t\t\t{
\t\t\t\tOFFSET 0.50 0.00 0.00
\t\t\t}
\t\t}
\t\tJOINT RightHand
\t\t{
\t\t\tOFFSET -1.00 0.50 0.00
\t\t\tCHANNELS 2 Yposition Zrotation
\t\t\tEnd Site
\t\t\t{
\t\t\t\tOFFSET -0.50 0.00 0.00
\t\t\t}
\t\t}
\t}
}
MOTION
Frames: {frames}
Frame Time: 0.0083333
"""
BVH_CHANNELS = 11  # six of the hips, three of the chest, none and two of the hands


def bvh_text(values: np.ndarray) -> str:
    """A BVH file of the channels (T, 11), in their order."""
    rows = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in values)
    return BVH_HIERARCHY.replace("{frames}", str(len(values))) + rows


def write_c3d(path: Path, markers: np.ndarray, names: Sequence[str], unit: str = "mm  ") -> None:
    """Writes markers (T, N, 3) and their names; those that are NaN as not seen."""
    unseen = np.isnan(markers).any(axis=2)
    residuals = np.where(unseen, -1.0, 0.0)
    writer = c3d.Writer(point_rate=100.0, point_units=unit)
    writer.set_point_labels(list(names))
    analog = np.empty((0, 0))
    for points, residual in zip(np.nan_to_num(markers), residuals, strict=True):
        rows = np.concatenate([points, residual[:, None], residual[:, None]], axis=1)
        writer.add_frames([(rows.astype(np.float32), analog)])
    with path.open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses analog data
        writer.write(file)
