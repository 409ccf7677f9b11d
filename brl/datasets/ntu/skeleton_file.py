"""Reads the raw `.skeleton` files of NTU RGB+D: the bodies that the sensor tracked.

The format is text. The first line is the number of frames. A frame is a line with the number of its
bodies, then for each body a line that starts with its id, a line with 25, and 25 lines that start
with x y z, in metres.
"""

from dataclasses import dataclass

import numpy as np

from brl.support.errors import UserError

NUM_JOINTS = 25
Point = tuple[float, float, float]
Track = tuple[list[int], list[Point]]  # frames that show a body, and its joints in them


@dataclass(frozen=True)
class Body:
    """A body that the sensor tracked under one id, possibly with gaps.

    frames  (F,) int64, the frames that show it, ascending, from 0
    joints  (F, 25, 3) float32, x y z in metres; a joint that is not finite is zero
    """

    frames: np.ndarray
    joints: np.ndarray


def read_skeleton(text: str, where: str) -> list[Body]:
    """Parses a `.skeleton` file: its bodies in the order in which they appear.

    where: the file, for error messages. Returns no body if no frame shows one.
    Raises UserError, with the line, where the text does not follow the format.
    """
    if not text.strip():
        raise UserError(f"{where}: is empty; must be a whole .skeleton file")
    lines = _Lines(text)
    tracks: dict[int, Track] = {}
    try:
        num_frames = lines.count("the number of frames")
        for frame in range(num_frames):
            for _ in range(lines.count("the number of bodies in the frame")):
                _read_body(lines, frame, tracks, where)
    except StopIteration:
        raise UserError(
            f"{where}: ends after line {lines.number}, within its frames; "
            "must have as many as its first line says"
        ) from None
    except ValueError:
        raise UserError(
            f"{where}: line {lines.number}: {lines.line[:40]!r}; must be {lines.wanted}"
        ) from None
    if lines.skip_blank():
        raise UserError(
            f"{where}: line {lines.number}: {lines.line[:40]!r} after the last frame; "
            f"must have {num_frames} frames, as its first line says"
        )
    return [_body(frames, points) for frames, points in tracks.values()]


class _Lines:
    """Reads lines one by one and remembers the last one, for error messages.

    number  the number of the last line, from 1
    line    the last line
    wanted  what that line must be
    """

    def __init__(self, text: str) -> None:
        self._rest = enumerate(text.splitlines(), start=1)
        self.number, self.line, self.wanted = 0, "", ""

    def read(self, wanted: str) -> str:
        """The next line. Raises StopIteration after the last one."""
        self.number, self.line = next(self._rest)
        self.wanted = wanted
        return self.line

    def count(self, wanted: str) -> int:
        """The number on the next line. Raises ValueError where it is no count."""
        number = int(self.read(wanted))
        if number < 0:
            raise ValueError
        return number

    def points(self) -> list[Point]:
        """The coordinates on the next 25 lines. Raises ValueError where one has none."""
        points = []
        for _ in range(NUM_JOINTS):
            x, y, z, *_ = self.read("a joint's line, which starts with x y z").split(maxsplit=3)
            points.append((float(x), float(y), float(z)))
        return points

    def skip_blank(self) -> bool:
        """Skips blank lines; whether another line follows, which is then the last one."""
        for number, line in self._rest:
            if line.strip():
                self.number, self.line = number, line
                return True
        return False


def _read_body(lines: _Lines, frame: int, tracks: dict[int, Track], where: str) -> None:
    """Reads one body of a frame into its track."""
    identity, *_ = lines.read("a line that starts with a body's id").split()
    frames, points = tracks.setdefault(int(identity), ([], []))
    if frames and frames[-1] == frame:
        raise UserError(
            f"{where}: line {lines.number}: body {identity} occurs twice in frame {frame + 1}; "
            "must occur once"
        )
    frames.append(frame)
    if lines.count(f"{NUM_JOINTS}, the number of joints") != NUM_JOINTS:
        raise ValueError
    points += lines.points()


def _body(frames: list[int], points: list[Point]) -> Body:
    """A body from its frames and the joints of all of them."""
    with np.errstate(over="ignore"):  # becomes infinite, then zero
        joints = np.array(points, dtype=np.float32).reshape(-1, NUM_JOINTS, 3)
    finite = np.isfinite(joints).all(axis=-1, keepdims=True)
    return Body(np.array(frames), np.where(finite, joints, np.float32(0)))
