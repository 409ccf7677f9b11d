"""Begins own data from a folder of recordings: `brl data new`."""

from collections import Counter
from pathlib import Path

import click
from rich.table import Table

from brl.datasets.own.clip_list import CLIPS_FILE
from brl.datasets.own.description import DESCRIPTION_FILE
from brl.inspection.listed import look_into_list
from brl.inspection.start import Start, look_into
from brl.inspection.written import refuse_to_overwrite, to_fill_in, write_files
from brl.support.paths import OWN
from brl.support.text import console, printable

MOST_CLASSES = 6  # that a line names
FRAMES = {"unit": "coordinates go from 0 to 1", "pixels": "coordinates are pixels"}


def begin(folder: Path) -> None:
    """Writes dataset.yaml and clips.csv into a folder, and says what they assume.

    Raises UserError, before anything is written, where one of them is there, or where the folder
    holds no recordings that can be one set of own data.
    """
    refuse_to_overwrite(folder)
    start = look_into_list(folder) if (folder / CLIPS_FILE).exists() else look_into(folder)
    write_files(folder, start)
    out = console(soft_wrap=True)
    table = Table("", "assumed", "because of", "to change it")
    for row in _rows(start):
        table.add_row(*row)
    out.print(table)
    if start.passed:
        first = printable(str(start.passed[0]))
        click.echo(f"Left out, as no format has them: {len(start.passed)}, {first}, ...")
    for file, lines in to_fill_in(start).items():
        for line in lines:
            click.echo(f"To fill in, in {folder / file}: {line}")
    mirror = "" if folder.absolute() == OWN.absolute() else f" --mirror {folder}"
    click.echo(f"Next: brl preset custom{mirror}, then brl data")


def _rows(start: Start) -> list[tuple[str, str, str, str]]:
    """What was assumed: of what, the assumption, its reason, the file and key that hold it."""
    formats = ", ".join(f"{count} × {name}" for name, count in start.formats.most_common())
    rows = [("clips", str(len(start.names)), formats, CLIPS_FILE)]
    if classes := start.classes:
        shown = ", ".join(classes[:MOST_CLASSES]) + ", ..." * (len(classes) > MOST_CLASSES)
        where = f"{DESCRIPTION_FILE}: classes; {CLIPS_FILE}: label"
        rows.append(("classes", f"{len(classes)}: {shown}", start.labels.told_by, where))
    if start.parts.told_by:
        count = Counter(start.parts.values)
        shown = f"{count['train']} train, {count['test']} test"
        shown += f", {count['']} in neither" * (count[""] > 0)
        rows.append(("split", shown, start.parts.told_by, f"{CLIPS_FILE}: split"))
    bodies = start.bodies
    if bodies.layout is not None:
        reason = f"lengths of bones ({bodies.sure})"
        rows.append(("layout", bodies.layout.name, reason, f"{DESCRIPTION_FILE}: layout"))
    if bodies.names:
        keys = f"joints, {'parents, ' * bool(bodies.parents)}left_right"
        reason = "names in the files"
        rows.append((keys, f"{bodies.num_joints} joints", reason, f"{DESCRIPTION_FILE}: joints"))
    reason = FRAMES.get(bodies.frame, f"coordinates are in {bodies.channels.dimensions}D")
    rows.append(
        ("channels", str(bodies.channels), "numbers", f"{DESCRIPTION_FILE}: dimensions, scored")
    )
    rows.append(("normalize", _normalize(start), reason, f"{DESCRIPTION_FILE}: normalize"))
    return rows


def _normalize(start: Start) -> str:
    """The kind of normalisation, with its centre or the size of the images."""
    bodies = start.bodies
    if bodies.normalize == "center" and bodies.center is not None:
        return f"center, at joint {bodies.center}, {bodies.joint(bodies.center)}"
    if bodies.normalize == "image" and all(map(all, start.sizes)):
        sizes = [f"{width} x {height}" for width, height in dict.fromkeys(start.sizes)]
        return f"image, of {sizes[0]}" + f" and {len(sizes) - 1} other sizes" * (len(sizes) > 1)
    return bodies.normalize
