"""Guesses the layout of a file of joints: `brl data layout`."""

from pathlib import Path

from rich.table import Table

from brl.clips.layouts import LAYOUTS
from brl.datasets.doubts import MORE_BODIES
from brl.inspection.guess import Channels, Fit, confidence, guess
from brl.inspection.joints import read_joints
from brl.support.errors import UserError
from brl.support.text import console


def show(file: Path) -> None:
    """Prints how well the known layouts fit a file, and what to write into dataset.yaml.

    Raises UserError where the file is no array of joints, or where no known layout has as many.
    """
    joints = read_joints(file)
    channels = Channels.of(joints)
    bodies, frames, count, _ = joints.shape
    print(f"{file}: bodies: {bodies}, frames: {frames}, joints: {count}, channels: {channels}")
    if bodies > frames:
        print(f"Suspicious: {MORE_BODIES}")
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
    console(soft_wrap=True).print(_table(fits))
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


def _table(fits: list[Fit]) -> Table:
    table = Table("layout", "proportions", "paths", "left/right", "over time")
    for fit in fits:
        numbers = (fit.disproportion, fit.detour, fit.asymmetry, fit.variation)
        table.add_row(fit.layout.name, *(f"{100 * number:.0f} %" for number in numbers))
    return table
