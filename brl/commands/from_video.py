"""Makes clips of own data from videos: `brl data from-video`."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from tqdm import tqdm

from brl.datasets.own.source import DESCRIPTION_FILE
from brl.support.errors import UserError
from brl.support.progress import progress

# Layouts of the joints that networks of the model zoo give, by their number.
LAYOUT_NAMES = {17: "coco17", 21: "hand21", 26: "halpe26", 133: "coco_wholebody133"}
AS_SCORED = "`dimensions: 2`, `scored: true`, "  # hands are also seen in 3D, without scores


def from_video(
    paths: Sequence[Path], pose: Path | None, detector: Path | None, folder: Path
) -> None:
    """Makes a clip of each video, enters it into the folder's list, and says what is to do.

    Raises UserError for wrong paths or networks before anything is made, and in the end for videos
    that gave no clip.
    """
    try:
        from brl.video.clips import make_clips
        from brl.video.estimators import open_estimator
        from brl.video.listed import ClipList
        from brl.video.videos import find_videos
    except ModuleNotFoundError as error:
        if error.name != "cv2":
            raise
        raise UserError(
            "brl data from-video: OpenCV is not installed; pip install opencv-python-headless"
        ) from error

    videos = find_videos(paths)
    layout = _layout(open_estimator(pose, detector, 1).num_joints, pose)
    clips = ClipList(folder)
    count: Counter[str] = Counter()
    assert pose is not None  # open_estimator refuses that
    for made in progress(make_clips(videos, folder, pose, detector), "videos", len(videos)):
        count["failed" if made.problem else "new" if made.is_new else "kept"] += 1
        if made.problem:
            tqdm.write(made.problem, file=sys.stderr)
        else:
            clips.enter(made)
    click.echo(f"{clips.path}: {count['new']} new clips, {count['kept']} were there")
    for column in ("label", "split"):
        if lines := clips.lines_without(column):
            click.echo(f"Without a {column}: {lines} of {clips.path}")
    if not (folder / DESCRIPTION_FILE).exists():
        click.echo(
            f"Still to write: {folder / DESCRIPTION_FILE} with the classes, `layout: {layout}`, "
            f"{AS_SCORED if layout == 'hand21' else ''}`normalize: image` (docs/own_data.md); "
            f"brl data new {folder} begins it"
        )
    if count["failed"]:
        raise UserError(f"{count['failed']} of {len(videos)} videos gave no clip; named above")


def _layout(num_joints: int, pose: Path | None) -> str:
    """The layout of a network's joints. Raises UserError where there is none."""
    if num_joints not in LAYOUT_NAMES:
        known = ", ".join(f"{count} ({name})" for count, name in LAYOUT_NAMES.items())
        raise UserError(f"{pose}: a network of {num_joints} joints; can be {known}")
    return LAYOUT_NAMES[num_joints]
