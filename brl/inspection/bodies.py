"""Which joints and coordinates the recordings of a folder have, from a few of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from brl.clips.layout import Layout
from brl.clips.layouts import NTU25
from brl.clips.normalize import seen_joints
from brl.datasets.recordings import bvh_file, c3d_file
from brl.datasets.recordings.read import format_of
from brl.datasets.recordings.recording import Recording
from brl.inspection.guess import Channels, confidence, guess
from brl.inspection.joints import read_joints
from brl.support.errors import UserError

SAMPLES = 8  # recordings, evenly spaced
FEW = 0.05  # share of coordinates that may lie outside a range: joints that were placed wrongly
PIXELS = 8.0  # a body in pixels is larger
# Joints in the middle of the body, the most preferred first; else a side, and of a hand the wrist.
CENTRES = (
    "pelvis", "hip centre", "spine base", "spine", "neck", "shoulder centre", "left hip", "wrist",
)  # fmt: skip
Frame = Literal["unit", "pixels", "space"]


@dataclass(frozen=True)
class Bodies:
    """What the joints of recordings are.

    num_joints  V
    channels    what the channels of a joint are
    layout      the known layout that fits best, as these recordings have it; None if none fits
    sure        how sure that is: surely or perhaps; empty without a layout
    frame       `unit`: in the image, from 0 to 1; `pixels`: in the image; `space`: anything else
    names       of the joints, where the files have them
    parents     number of each joint's parent, where the files have them
    """

    num_joints: int
    channels: Channels
    layout: Layout | None
    sure: str
    frame: Frame
    names: tuple[str, ...] = ()
    parents: tuple[int, ...] = ()

    @property
    def normalize(self) -> str:
        """The kind of normalisation for them."""
        if self.frame != "space":
            return "image"
        return "ntu" if self.layout == NTU25 and self.channels == Channels(3, False) else "center"

    @property
    def center(self) -> int | None:
        """The root of the tree, or the joint near the middle of the body; None if not known."""
        if self.parents:
            return next(v for v, parent in enumerate(self.parents) if v == parent)
        names = self.layout.names if self.layout else ()
        return next((names.index(name) for name in CENTRES if name in names), None)

    def joint(self, number: int) -> str:
        """The name of a joint, of the files or of the layout."""
        return (self.layout.names if self.layout else self.names)[number]


def bodies_in(recordings: Sequence[Path]) -> Bodies:
    """Looks at the joints of a few recordings, evenly spaced.

    Of motion capture, the names in the first one count. Raises UserError where one holds no joints
    of a known form, or other joints than the first.
    """
    if captured := _captured(Recording(recordings[0], str(recordings[0]))):
        return captured
    places = np.unique(np.linspace(0, len(recordings) - 1, SAMPLES).round().astype(int))
    files = [recordings[place] for place in places]
    clips = [read_joints(file) for file in files]
    for file, clip in zip(files, clips, strict=True):
        if clip.shape[2:] != clips[0].shape[2:]:
            raise UserError(
                f"{file}: {clip.shape[2]} joints of {clip.shape[3]} channels, but {files[0]} has "
                f"{clips[0].shape[2]} of {clips[0].shape[3]}; recordings must have the same joints"
            )
    kinds = [Channels.of(clip) for clip in clips]
    channels = next((kind for kind in kinds if not kind.scored), kinds[0])
    layout, sure = _layout(clips, channels)
    return Bodies(clips[0].shape[2], channels, layout, sure, _frame(clips, channels))


def _captured(recording: Recording) -> Bodies | None:
    """The joints of a file of motion capture, which has their names; None of other files."""
    taken_by = format_of(recording)
    if taken_by is bvh_file.FORMAT:
        names, parents = bvh_file.hierarchy(recording)
    elif taken_by is c3d_file.FORMAT:
        names, parents = c3d_file.marker_names(recording), []
    else:
        return None
    without_actor = [name.rpartition(":")[2] for name in names]
    names = without_actor if len({*without_actor}) == len(names) else names
    return Bodies(len(names), Channels(3, False), None, "", "space", tuple(names), tuple(parents))


def _layout(clips: Sequence[np.ndarray], channels: Channels) -> tuple[Layout | None, str]:
    """The layout that fits most of the clips best, and how sure that is; None if hardly."""
    guesses = [fits for fits in (guess(clip, channels) for clip in clips) if fits]
    if not guesses:
        return None, ""
    layout = Counter(fits[0].layout for fits in guesses).most_common(1)[0][0]
    how = Counter(confidence(fits) for fits in guesses if fits[0].layout == layout)
    sure = how.most_common(1)[0][0]
    return (None, "") if sure == "hardly" else (layout, sure)


def _frame(clips: Sequence[np.ndarray], channels: Channels) -> Frame:
    """What the coordinates of joints (M, T, V, K) are."""
    if channels.dimensions != 2:
        return "space"
    seen = [seen_joints(clip, channels.dimensions)[..., :2].reshape(-1, 2) for clip in clips]
    points = np.concatenate(seen)
    points = points[points.any(axis=-1)]
    if not len(points) or (points < 0).any(axis=-1).mean() > FEW:
        return "space"
    if (points > 1).any(axis=-1).mean() <= FEW:
        return "unit"
    return "pixels" if np.ptp(points, axis=0).max() > PIXELS else "space"
