"""One raw `.skeleton` file of NTU RGB+D: the bodies that the sensor followed.

Text. The first line counts the frames. A frame: a line that counts its bodies, then for each a
line that starts with the body's id, a line with 25, and 25 lines that start with x y z, in metres.
"""

from dataclasses import dataclass

import numpy as np

from brl.support.errors import UserError

NUM_JOINTS = 25


@dataclass(frozen=True)
class Body:
    """A body that kept its id through a recording, however often it was lost from sight.

    frames  (F,) int64: the frames that show it, ascending, from 0
    joints  (F, 25, 3) float32: x y z in metres; zero where that is no finite number
    """

    frames: np.ndarray
    joints: np.ndarray


def read_skeleton(text: str, where: str) -> list[Body]:
    """The bodies of a recording, the first seen first; none where no frame shows one.

    where: the file, for messages. Raises UserError for whatever does not follow the format.
    """
    if not text.strip():
        raise UserError(f"{where}: is empty; must be a whole .skeleton file")
    lines = enumerate(text.splitlines(), start=1)
    bodies: dict[int, tuple[list[int], list[tuple[float, float, float]]]] = {}
    number, line, wanted = 0, "", ""
    try:
        number, line = next(lines)
        wanted = "the number of frames"
        num_frames = _count(line)
        for frame in range(num_frames):
            number, line = next(lines)
            wanted = "the number of bodies in the frame"
            for _ in range(_count(line)):
                number, line = next(lines)
                wanted = "a line that starts with a body's id"
                identity, *_ = line.split()
                frames, points = bodies.setdefault(int(identity), ([], []))
                if frames and frames[-1] == frame:
                    raise UserError(
                        f"{where}: line {number}: body {identity} is twice in frame {frame + 1}; "
                        "must be there once"
                    )
                frames.append(frame)
                number, line = next(lines)
                wanted = f"{NUM_JOINTS}, the number of joints"
                if _count(line) != NUM_JOINTS:
                    raise ValueError
                wanted = "a joint's line, which starts with x y z"
                for _ in range(NUM_JOINTS):
                    number, line = next(lines)
                    x, y, z, *_ = line.split(maxsplit=3)
                    points.append((float(x), float(y), float(z)))
    except StopIteration:
        raise UserError(
            f"{where}: ends after line {number}, in the midst of its frames; "
            "must have as many as its first line says"
        ) from None
    except ValueError:
        raise UserError(f"{where}: line {number}: {line[:40]!r}; must be {wanted}") from None
    for number, line in lines:
        if line.strip():
            raise UserError(
                f"{where}: line {number}: {line[:40]!r} after the last frame; "
                f"must have {num_frames} frames, as its first line says"
            )
    return [_body(frames, points) for frames, points in bodies.values()]


def _count(line: str) -> int:
    number = int(line)
    if number < 0:
        raise ValueError
    return number


def _body(frames: list[int], points: list[tuple[float, float, float]]) -> Body:
    with np.errstate(over="ignore"):  # too large for float32: infinite
        joints = np.array(points, dtype=np.float32).reshape(-1, NUM_JOINTS, 3)
    finite = np.isfinite(joints).all(axis=-1, keepdims=True)
    return Body(np.array(frames), np.where(finite, joints, np.float32(0)))
