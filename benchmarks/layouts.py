"""Draws the pictures of docs/layouts.md: `python -m benchmarks.layouts`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brl.clips.layout import Layout
from brl.clips.layouts import LAYOUTS
from brl.inspection.poses import FACE, HAND, rest_pose

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = Path("docs/layouts")
COLOURS = {"left": "#3b6fb6", "right": "#d0743c", "middle": "#555555"}
HEAD = {"nose", "eye", "ear", "mouth"}
LINES = 34  # names in a column
TOWARDS_THE_VIEWER = 0.4  # how far down what is a metre in front moves, in metres


def picture_of(layout: Layout) -> dict[str, Any]:
    """What is drawn of a layout, as JSON: it is also in the picture's file, for a test to compare.

    joints: x to the right and y up, in mm, of the body at rest, seen from the front. bones: pairs
    of a joint and its parent. panels: joints that are enlarged together, first all others.
    """
    rest = rest_pose(layout)
    seen = np.stack([rest[:, 0], rest[:, 1] - TOWARDS_THE_VIEWER * rest[:, 2]], axis=-1)
    details = [
        joints for joints in map(list, _details(layout).values()) if 3 <= len(joints) < len(rest)
    ]
    body = sorted(set(range(len(rest))).difference(*details))
    return {
        "names": list(layout.names),
        "sides": [_side(name) for name in layout.names],
        "joints": (1000 * seen).round().astype(int).tolist(),
        "bones": [[v, parent] for v, parent in enumerate(layout.parents) if v != parent],
        "panels": [body, *details],
    }


def _details(layout: Layout) -> dict[str, list[int]]:
    """Joints that lie close together in a whole body."""
    found: dict[str, list[int]] = {"head": [], "right hand": [], "left hand": []}
    if "wrist" in layout.names:  # it is one hand
        return {}
    for joint, name in enumerate(layout.names):
        words = name.split()
        whole = name.replace("right", "left") in FACE
        if whole or HEAD & set(words):
            found["head"].append(joint)
        elif name.endswith("hand root") or (words[-1].isdecimal() and HAND.keys() & set(words)):
            found[f"{_side(name)} hand"].append(joint)
    return found


def _side(name: str) -> str:
    return name.split()[0] if name.startswith(("left ", "right ")) else "middle"


def draw(layout: Layout, path: Path) -> None:
    """Writes the picture of a layout. Equal pictures are equal files."""
    from matplotlib import rc_context

    picture = picture_of(layout)
    metadata = {"Date": None, "Creator": None, "Description": json.dumps(picture)}
    # Text stays text, and does not name all fonts of its family each time.
    with rc_context(
        {"svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"], "svg.hashsalt": "brl"}
    ):
        _figure(picture).savefig(path, metadata=metadata)


def _figure(picture: dict[str, Any]) -> "Figure":
    """The bones and numbers, closer views, and the names."""
    from matplotlib.figure import Figure

    body, *details = picture["panels"]
    columns = -(-len(picture["names"]) // LINES)
    height = 8.5 if columns > 1 else 5.4
    figure = Figure(figsize=(0.62 * height * (1 + bool(details)) + 1.9 * columns, height))
    sides = [1] * (1 + bool(details)) + [1.9 * columns / (0.62 * height)]
    grid = figure.add_gridspec(1, len(sides), width_ratios=sides, wspace=0.02)
    grid.update(left=0.01, right=0.99, top=0.99, bottom=0.01)
    _draw_joints(figure.add_subplot(grid[0]), picture, body, everything=True)
    if details:
        rows = grid[1].subgridspec(
            len(details), 1, hspace=0.05, height_ratios=[len(joints) ** 0.5 for joints in details]
        )
        for row, joints in enumerate(details):
            _draw_joints(figure.add_subplot(rows[row]), picture, joints)
    _write_names(figure.add_subplot(grid[-1]), picture, columns)
    return figure


def _draw_joints(
    axes: "Axes", picture: dict[str, Any], joints: list[int], everything: bool = False
) -> None:
    """Draws some joints with their numbers, and the bones between them; or all bones."""
    positions = np.array(picture["joints"])
    for v, parent in picture["bones"]:
        if everything or {v, parent} <= {*joints}:
            colour = COLOURS[picture["sides"][v]]
            axes.plot(*positions[[v, parent]].T, color=colour, linewidth=1, zorder=1, clip_on=False)
    size = 7 if len(joints) < LINES else 4.5
    for side, colour in COLOURS.items():
        chosen = [joint for joint in joints if picture["sides"][joint] == side]
        x, y = positions[chosen].T if chosen else ([], [])
        axes.scatter(
            x, y, s=2.6 * size**2, facecolors="white", edgecolors=colour, zorder=2, clip_on=False
        )
    for joint in joints:
        x, y = positions[joint]
        axes.text(x, y, str(joint), fontsize=size, ha="center", va="center")
    axes.set_aspect("equal")
    axes.margins(0.08)
    axes.set_axis_off()


def _write_names(axes: "Axes", picture: dict[str, Any], columns: int) -> None:
    for joint, name in enumerate(picture["names"]):
        column, line = divmod(joint, LINES)
        axes.text(
            column / columns,
            1 - (line + 0.5) / LINES,
            f"{joint} {name}",
            fontsize=8,
            va="center",
            color=COLOURS[picture["sides"][joint]],
            transform=axes.transAxes,
        )
    axes.set_axis_off()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for layout in LAYOUTS.values():
        draw(layout, FOLDER / f"{layout.name}.svg")
