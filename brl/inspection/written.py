"""Writes what was found in a folder as `dataset.yaml` and `clips.csv`."""

from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

from brl.datasets.own.clip_list import CLIPS_FILE, lines_without
from brl.datasets.own.description import DESCRIPTION_FILE
from brl.inspection.names import pairs_in
from brl.inspection.start import Start
from brl.support.errors import UserError
from brl.support.files import write_csv, written_whole

HEADING = "Begun by `brl data new`; docs/own_data.md says what the keys mean."
RENAME = " Give them their names, in this order."


def refuse_to_overwrite(folder: Path) -> None:
    """Raises UserError where there is a description."""
    if (folder / DESCRIPTION_FILE).exists():
        raise UserError(
            f"{folder / DESCRIPTION_FILE}: is there already and stays as it is; to have it written "
            "anew, remove it"
        )


def to_fill_in(start: Start) -> dict[str, list[str]]:
    """For each of the two files, what nothing tells and its reader must fill in."""
    description, clips = [], []
    if not start.classes:
        description.append("classes: [NAME, NAME, ...]")
    if not all(start.labels.values):
        reason = start.labels.doubt or "nothing tells it"
        clips.append(f"label: {lines_without(start.labels.values) if start.listed else reason}")
    bodies = start.bodies
    if bodies.names and not bodies.parents:
        description.append(
            "parents: of each joint the name of the one nearer to the middle of the body, which is "
            "its own parent"
        )
    elif bodies.layout is None and not bodies.parents:
        description.append(
            f"layout: no known one fits these {bodies.num_joints} joints; choose one in "
            "docs/layouts.md, or give joints, parents, left_right of your own"
        )
    if bodies.normalize == "center" and bodies.center is None:
        description.append("center: the joint in the middle of the hips, or else near it")
    if start.listed and not all(start.parts.values):
        clips.append(f"split: train or test, or empty: {lines_without(start.parts.values)}")
    elif not start.parts.told_by:
        reason = start.parts.doubt or "nothing tells people, places or days"
        clips.append(f"split: train or test; {reason}")
    if bodies.frame == "unit" and {*start.sizes} != {("1", "1")}:
        clips.append("width, height: 1 and 1, as coordinates go from 0 to 1")
    elif bodies.normalize == "image" and not all(map(all, start.sizes)):
        clips.append("width, height: the size of the images in pixels")
    return {DESCRIPTION_FILE: description, CLIPS_FILE: clips}


def write_files(folder: Path, start: Start) -> None:
    """Writes both files, or none; only the description for a list that is there."""
    clips = folder / CLIPS_FILE
    if not start.listed:
        write_csv(_clips(start), clips)
    try:
        with written_whole(folder / DESCRIPTION_FILE) as unfinished:
            yaml = YAML()
            yaml.width = 100
            yaml.dump(_description(start), unfinished)
    except BaseException:
        if not start.listed:
            clips.unlink()
        raise


def _description(start: Start) -> CommentedMap:
    content = CommentedMap()
    comments: dict[str, str] = {}

    def put(key: str, value: Any, comment: str = "") -> None:
        content[key] = value
        if comment:
            comments[key] = comment

    bodies = start.bodies
    if start.classes:
        reason = f"From {start.labels.told_by}."
        put("classes", [*map(_text, start.classes)], reason + RENAME * start.labels.numbered)
    if bodies.layout is not None:
        put(
            "layout",
            bodies.layout.name,
            f"{bodies.sure.capitalize()} this one, by its bones; see docs/layouts.md.",
        )
    if bodies.names:
        put("joints", [*map(_text, bodies.names)], "The names in the files.")
        if bodies.parents:
            put("parents", [_text(bodies.names[parent]) for parent in bodies.parents])
        if pairs := pairs_in(bodies.names):
            put("left_right", pairs)
    for key in ("dimensions", "scored"):
        value = getattr(bodies.channels, key)
        if bodies.layout is None or value != getattr(bodies.layout, key):
            put(key, value)
    put("normalize", bodies.normalize)
    if bodies.normalize == "center" and bodies.center is not None:
        put("center", bodies.center, f"The joint {bodies.joint(bodies.center)}.")
    for key, comment in comments.items():
        content.yaml_set_comment_before_after_key(key, before=comment)
    missing = to_fill_in(start)
    lines = [f"To fill in: {line}" for line in missing[DESCRIPTION_FILE]]
    lines += [f"To fill in, in {CLIPS_FILE}: {line}" for line in missing[CLIPS_FILE]]
    content.yaml_set_start_comment("\n".join([HEADING, *lines]))
    return content


def _text(value: str) -> str:
    """The text, in quotes where YAML 1.1 would read a word such as `no` as something else."""
    tag = Resolver().resolve(ScalarNode, value, (True, False))
    return value if tag == "tag:yaml.org,2002:str" else DoubleQuotedScalarString(value)


def _clips(start: Start) -> pd.DataFrame:
    labels = start.labels.values
    if start.labels.numbered:  # so that classes are named in one place
        number = {name: str(place) for place, name in enumerate(start.classes)}
        labels = [number[label] for label in labels]
    columns = {
        "name": start.names,
        "label": labels,
        "split": start.parts.values,
        "file": [file.as_posix() for file in start.files],
    }
    if start.bodies.normalize == "image":
        columns["width"], columns["height"] = map(list, zip(*start.sizes, strict=True))
    return pd.DataFrame(columns)
