"""Recognises recordings: `brl predict FILES...`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from brl.config.params import read_params
from brl.serving.recognizer import Recognizer
from brl.serving.recordings import find_recordings, read_recording
from brl.serving.timeline import by_frame, segments, windows
from brl.support.errors import UserError
from brl.support.progress import progress

BAR = 24  # characters a recording's length is drawn in
Found = dict[str, Any]


def recognised(recognizer: Recognizer, recording: np.ndarray, top: int) -> Found:
    """The likeliest classes of a recording (M, T, V, K), the first one first."""
    (probabilities,) = recognizer.probabilities([recording])
    order = np.argsort(-probabilities, kind="stable")[:top]
    likeliest = [
        {"class": recognizer.classes[label], "probability": round(float(probabilities[label]), 4)}
        for label in order
    ]
    return {"frames": recording.shape[1], "classes": likeliest}


def followed(recognizer: Recognizer, recording: np.ndarray, length: int, step: int) -> Found:
    """What happens when in a recording (M, T, V, K), by windows of `length` frames."""
    frames = recording.shape[1]
    starts = windows(frames, length, step)
    seen = recognizer.probabilities([recording[:, start : start + length] for start in starts])
    timeline = [
        {
            "start": segment.start,
            "end": segment.end,
            "class": recognizer.classes[segment.label],
            "probability": round(segment.probability, 4),
        }
        for segment in segments(by_frame(seen, starts, length, frames))
    ]
    return {"frames": frames, "timeline": timeline}


def table_of(results: list[Found]) -> Table:
    """A row a class of each recording, or a row a segment, with its place drawn as a bar."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    timed = any("timeline" in found for found in results)
    for column in ["recording", *(["frames", "when"] if timed else []), "class", "probability"]:
        table.add_column(column, justify="right" if column in ("frames", "probability") else "left")
    for found in results:
        name = found["file"]
        for row in found["timeline" if timed else "classes"]:
            when = (
                [f"{row['start']}-{row['end'] - 1}", drawn(row, found["frames"])] if timed else []
            )
            table.add_row(name, *when, row["class"], f"{100 * row['probability']:.1f} %")
            name = ""
    return table


def drawn(segment: Found, frames: int) -> str:
    """A segment's place in a recording, in BAR characters."""
    first = segment["start"] * BAR // frames
    last = max(first + 1, -(-segment["end"] * BAR // frames))
    return "·" * first + "█" * (last - first) + "·" * (BAR - last)


@dataclass(frozen=True)
class Request:
    """What to tell of each recording.

    top         likeliest classes
    window      frames of a window: a timeline instead of one answer
    step        frames from one window to the next; None: half a window
    image_size  height and width in pixels, where 2D joints are in pixels
    """

    top: int
    window: int | None = None
    step: int | None = None
    image_size: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.step and not self.window:
            raise UserError("--step: needs --window, the frames of a window")


def results(files: Sequence[Path], asked: Request) -> Iterator[Found]:
    """What is found in each recording, in turn; of one that cannot be read its `error`."""
    recognizer = Recognizer.of_project(read_params(), asked.image_size)
    for file in progress(find_recordings(files), "recordings"):
        try:
            recording = read_recording(file, recognizer.recipe.layout)
        except UserError as error:
            yield {"file": str(file), "error": str(error)}
            continue
        if asked.window:
            step = asked.step or max(1, asked.window // 2)
            found = followed(recognizer, recording, asked.window, step)
        else:
            found = recognised(recognizer, recording, asked.top)
        yield {"file": str(file), **found}


def show(files: Sequence[Path], asked: Request, *, as_json: bool) -> None:
    """Prints what is found. Raises UserError at the end where a recording could not be read."""
    everything = list(results(files, asked))
    read = [found for found in everything if "error" not in found]
    if as_json:
        print(json.dumps(everything, indent=2, ensure_ascii=False))
    elif read:
        Console().print(table_of(read))
    if unread := [found["error"] for found in everything if "error" in found]:
        others = f" (and {len(unread) - 1} more recordings)" if unread[1:] else ""
        raise UserError(unread[0] + others)
