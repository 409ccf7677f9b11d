"""Recognises recordings."""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from brl.config.params import read_params
from brl.serving.recognizer import Recognizer
from brl.serving.recordings import find_recordings, read_recording
from brl.serving.timeline import by_frame, segments, windows
from brl.support.errors import UserError, one_line_errors
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


def image_size(text: str) -> tuple[float, float]:
    """WIDTHxHEIGHT as height and width."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or "0" in match.groups():
        raise argparse.ArgumentTypeError(f"{text!r}; must be WIDTHxHEIGHT in pixels, as 1920x1080")
    return float(match[2]), float(match[1])


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}; must be a whole number from 1")
    return int(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m brl.serving.predict",
        description="Recognise recordings with the streams that make repro trained.",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, help=".npy, .json or .skeleton files, or folders of them"
    )
    parser.add_argument("--top", type=positive, default=3, help="classes a recording; default 3")
    parser.add_argument("--window", type=positive, help="frames a window: a timeline of long ones")
    parser.add_argument("--step", type=positive, help="frames between windows; default half of one")
    parser.add_argument("--image-size", type=image_size, help="WIDTHxHEIGHT, of joints in pixels")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def results(chosen: argparse.Namespace) -> Iterator[Found]:
    """What is found in each recording, in turn; of one that cannot be read its `error`."""
    recognizer = Recognizer.of_project(read_params(), chosen.image_size)
    for file in progress(find_recordings(chosen.files), "recordings"):
        try:
            recording = read_recording(file, recognizer.recipe.layout)
        except UserError as error:
            yield {"file": str(file), "error": str(error)}
            continue
        if chosen.window:
            step = chosen.step or max(1, chosen.window // 2)
            found = followed(recognizer, recording, chosen.window, step)
        else:
            found = recognised(recognizer, recording, chosen.top)
        yield {"file": str(file), **found}


def main() -> None:
    chosen = arguments()
    if chosen.step and not chosen.window:
        raise UserError("--step: needs --window, the frames of a window")
    everything = list(results(chosen))
    read = [found for found in everything if "error" not in found]
    if chosen.json:
        print(json.dumps(everything, indent=2, ensure_ascii=False))
    elif read:
        Console().print(table_of(read))
    if unread := [found["error"] for found in everything if "error" in found]:
        others = f" (and {len(unread) - 1} more recordings)" if unread[1:] else ""
        raise UserError(unread[0] + others)


if __name__ == "__main__":
    with one_line_errors():
        main()
