"""Recognises recordings: `brl predict FILES...`."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from rich.table import Table

from brl.config.params import read_params
from brl.datasets.doubts import DOUBTS, FRAMES_AT_ONCE, doubts
from brl.datasets.ranges import check_range
from brl.datasets.recordings.read import find_recordings, read_recording
from brl.serving.recognizer import Recognizer
from brl.serving.release import fetched, open_release
from brl.serving.timeline import mean_by_frame, segments, windows
from brl.support.errors import UserError
from brl.support.json_text import json_text
from brl.support.progress import progress
from brl.support.text import console, printable

BAR_WIDTH = 24  # characters
MOST_WINDOWS = 1024  # at once


@dataclass(frozen=True)
class Request:
    """The options of a prediction.

    top         number of likeliest classes to report
    window      length of a window in frames, for a timeline; None: one result per recording
    step        frames between the starts of two windows; None: half a window
    image_size  height and width in pixels, if 2D joints are in pixels
    source      path or URL of a release; None: the trained streams of this project

    Raises UserError for a step without a window.
    """

    top: int
    window: int | None = None
    step: int | None = None
    image_size: tuple[float, float] | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        if self.step and not self.window:
            raise UserError("--step: needs --window, the frames of a window")

    def recognizer(self) -> Recognizer:
        """The recognizer that is asked for; raises UserError if there is none."""
        if self.source is None:
            return Recognizer.of_project(read_params(), self.image_size)
        return replace(open_release(fetched(self.source)), image_size=self.image_size)


@dataclass(frozen=True)
class ClassProbability:
    """A class and its probability, rounded to four digits."""

    name: str
    probability: float

    def as_json(self) -> dict[str, Any]:
        """The entry of a class in the JSON output."""
        return {"class": self.name, "probability": self.probability}

    def cells(self) -> list[str]:
        """The table cells: class and probability in %."""
        return [self.name, f"{100 * self.probability:.1f} %"]


@dataclass(frozen=True)
class TimelineSegment:
    """Frames `start` to `end` (exclusive) of a recording, and their likeliest class."""

    start: int
    end: int
    likeliest: ClassProbability

    def as_json(self) -> dict[str, Any]:
        """The entry of a segment in the JSON output."""
        return {"start": self.start, "end": self.end, **self.likeliest.as_json()}


@dataclass(frozen=True)
class Classified:
    """A recording with its likeliest classes, in order of probability.

    doubts: signs that its numbers do not mean what they are taken for; they are not in the JSON.
    """

    COLUMNS: ClassVar = ("recording", "class", "probability")

    file: Path
    frames: int
    classes: list[ClassProbability]
    doubts: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The entry of a recording in the JSON output."""
        classes = [likely.as_json() for likely in self.classes]
        return {"file": str(self.file), "frames": self.frames, "classes": classes}

    def rows(self) -> Iterator[list[str]]:
        """The table cells of each class, without the recording's name."""
        for likely in self.classes:
            yield likely.cells()


@dataclass(frozen=True)
class Timeline:
    """A recording with the likeliest class of each segment; doubts: as of `Classified`."""

    COLUMNS: ClassVar = ("recording", "frames", "when", "class", "probability")

    file: Path
    frames: int
    segments: list[TimelineSegment]
    doubts: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The entry of a recording in the JSON output."""
        timeline = [segment.as_json() for segment in self.segments]
        return {"file": str(self.file), "frames": self.frames, "timeline": timeline}

    def rows(self) -> Iterator[list[str]]:
        """The table cells of each segment, without the recording's name."""
        for segment in self.segments:
            frames = f"{segment.start}-{segment.end - 1}"
            yield [frames, bar(segment, self.frames), *segment.likeliest.cells()]


@dataclass(frozen=True)
class Unreadable:
    """A recording that could not be read; error: the message."""

    file: Path
    error: str

    def as_json(self) -> dict[str, Any]:
        """The entry of a recording in the JSON output."""
        return {"file": str(self.file), "error": self.error}


def classify(file: Path, recording: np.ndarray, recognizer: Recognizer, top: int) -> Classified:
    """The likeliest classes of a recording (M, T, V, K)."""
    (probabilities,) = recognizer.probabilities([recording])
    labels = np.argsort(-probabilities, kind="stable")[:top]
    likeliest = [
        ClassProbability(recognizer.classes[label], round(float(probabilities[label]), 4))
        for label in labels
    ]
    return Classified(file, recording.shape[1], likeliest)


def follow(
    file: Path, recording: np.ndarray, recognizer: Recognizer, length: int, step: int
) -> Timeline:
    """The timeline of a recording (M, T, V, K), from windows of `length` frames.

    Each window is prepared as a recording of its own: it has its own main body, and bodies that it
    does not show are dropped.
    """
    frames = recording.shape[1]
    starts = windows(frames, length, step)
    clips = (recording[:, start : start + length] for start in starts)
    by_frame = mean_by_frame(in_batches(clips, recognizer), frames, length, step)
    timeline = [
        TimelineSegment(
            segment.start,
            segment.end,
            ClassProbability(recognizer.classes[segment.label], round(segment.probability, 4)),
        )
        for segment in segments(by_frame)
    ]
    return Timeline(file, frames, timeline)


def in_batches(clips: Iterator[np.ndarray], recognizer: Recognizer) -> Iterator[np.ndarray]:
    """The probabilities (C,) of each clip; as many clips are in memory as the network takes."""
    views = recognizer.predict
    size = min(max(1, views.batch_size // views.num_clips), MOST_WINDOWS)
    while batch := list(islice(clips, size)):
        yield from recognizer.probabilities(batch)


def predict_files(
    files: Sequence[Path], request: Request
) -> Iterator[Classified | Timeline | Unreadable]:
    """The results of all recordings in files and folders, one after the other.

    Raises UserError for joints in pixels without the size of their image, or others with one.
    """
    recognizer = request.recognizer()
    kind = recognizer.recipe.normalization.kind
    if kind == "image" and request.image_size is None:
        raise UserError("joints in pixels: give their image's size, --image-size WIDTHxHEIGHT")
    if kind != "image" and request.image_size is not None:
        raise UserError(f"--image-size: for `normalize: image`; these streams have {kind}")
    layout = recognizer.recipe.layout
    for file in progress(find_recordings(files), "recordings"):
        try:
            recording = read_recording(file, layout, str(file))
            for start in range(0, recording.shape[1], FRAMES_AT_ONCE):
                part = recording[:, start : start + FRAMES_AT_ONCE]
                check_range(part, layout.dimensions, str(file))
            result = recognised(file, recording, recognizer, request)
        except (UserError, OSError) as error:
            yield Unreadable(file, str(error))
        else:
            yield replace(result, doubts=doubts(recording, layout, request.image_size))


def recognised(
    file: Path, recording: np.ndarray, recognizer: Recognizer, request: Request
) -> Classified | Timeline:
    """What a request asks for of a recording (M, T, V, K).

    Raises UserError where the networks make no numbers of it.
    """
    try:
        if request.window:
            step = request.step or max(1, request.window // 2)
            return follow(file, recording, recognizer, request.window, step)
        return classify(file, recording, recognizer, request.top)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error


def table_of(results: Sequence[Classified | Timeline]) -> Table:
    """One row per class or segment of each recording; the results are of one type."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in results[0].COLUMNS:
        table.add_column(column, justify="right" if column in ("frames", "probability") else "left")
    for result in results:
        name = printable(str(result.file))
        for cells in result.rows():
            table.add_row(name, *cells)
            name = ""
    return table


def bar(segment: TimelineSegment, frames: int) -> str:
    """A segment's position in a recording, drawn with BAR_WIDTH characters."""
    first = segment.start * BAR_WIDTH // frames
    last = max(first + 1, -(-segment.end * BAR_WIDTH // frames))
    return "·" * first + "█" * (last - first) + "·" * (BAR_WIDTH - last)


def show(files: Sequence[Path], request: Request, *, as_json: bool) -> None:
    """Prints the results, and warnings on stderr where recordings raise doubts.

    Raises UserError at the end if a recording could not be read.
    """
    results = list(predict_files(files, request))
    readable = [result for result in results if not isinstance(result, Unreadable)]
    errors = [result.error for result in results if isinstance(result, Unreadable)]
    if as_json:
        entries = [result.as_json() for result in results]
        print(json_text(entries))
    elif readable:
        console().print(table_of(readable))
    for doubt in DOUBTS:
        doubtful = [result.file for result in readable if doubt in result.doubts]
        if doubtful:
            shown = printable(str(doubtful[0]))
            print(f"warning: {shown}: {doubt}{and_others(doubtful)}", file=sys.stderr)
    if errors:
        raise UserError(errors[0] + and_others(errors))


def and_others(recordings: Sequence[Any]) -> str:
    """How many recordings there are beside the first, in words; empty if there is no other."""
    return f" (and {len(recordings) - 1} more recordings)" if recordings[1:] else ""
