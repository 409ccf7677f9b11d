"""Reads video files, with PyAV: its wheels bring FFmpeg, so that nothing else need be installed.

Files come from anywhere. Only containers of videos are opened, no playlists, which name other files
and addresses; and no frame is decoded that is larger than the limit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brl.pictures.limits import MOST_PIXELS, check_size
from brl.support.errors import UserError
from brl.support.packages import optional_package

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

SUFFIXES = (
    ".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv",
)  # fmt: skip
# FFmpeg's names of the containers with these suffixes.
CONTAINERS = "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,asf,flv,ogg"
# Some codecs store a frame or two that are never shown: what a header counts may be larger.
HIDDEN = 2
NO_CODEC = "its codec is not one that FFmpeg knows here; convert it, for example to H.264 in .mp4"


def count(path: Path) -> int:
    """Number of frames of a video. All are decoded: headers and packets may tell another number.

    Raises UserError where there is none, and where far fewer can be read than the header says.
    """
    number, cut_out = 0, 0
    with _opened(path) as container:
        stream = container.streams.video[0]
        said = stream.frames  # 0: the container does not tell
        for packet in container.demux(stream):
            cut_out += packet.is_discard
            number += len(packet.decode())
    if not number:
        raise UserError(f"{path}: holds no frame that can be read; must be a whole video")
    if number + HIDDEN < said - cut_out:
        raise UserError(
            f"{path}: ends early: {number} of {said - cut_out} frames can be read; get it again"
        )
    return number


def pictures(path: Path, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """The frames with these numbers, which ascend, turned upright; one is in memory at a time.

    Colours are (H, W, 3) uint8 in red, green, blue; grays (H, W, 1) uint8 or, of 16 bits, uint16.
    Raises UserError where the video ends before one of them, or is damaged there.
    """
    wanted = iter(numbers)
    next_wanted = next(wanted, None)
    number = -1
    size: tuple[int, int] | None = None
    for number, frame in enumerate(_frames(path)):
        while number == next_wanted:  # a number may come twice
            array = _array(frame)
            size = size or array.shape[:2]
            if array.shape[:2] != size:
                raise UserError(
                    f"{path}: frame {number}: {_in_words(array.shape)} pixels, but "
                    f"{_in_words(size)} before; all frames must have one size"
                )
            yield array
            next_wanted = next(wanted, None)
        if next_wanted is None:
            return
    if next_wanted is not None:
        raise UserError(
            f"{path}: ends early: {number + 1} frames can be read, and frame {next_wanted} is "
            "needed; get it again"
        )


def _frames(path: Path) -> Iterator["VideoFrame"]:
    """All frames. Raises UserError where one is damaged."""
    with _opened(path) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if frame.is_corrupt:
                raise UserError(f"{path}: frame {number} is damaged; get the file again")
            yield frame


@contextmanager
def _opened(path: Path) -> Iterator["InputContainer"]:
    """An open video. What goes wrong in the block is raised as a UserError that names the file."""
    av = optional_package("av", str(path))
    if not path.exists():
        raise UserError(f"{path}: no such file")
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        with av.open(f"file:{path.absolute()}", options=options) as container:
            if not container.streams.video:
                raise UserError(f"{path}: holds no video")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise UserError(f"{path}: {NO_CODEC}")
            context = stream.codec_context
            check_size(context.width, context.height, str(path))
            context.options = {"max_pixels": str(MOST_PIXELS)}
            context.thread_count = 1  # other processes read other films
            yield container
    except av.error.DecoderNotFoundError as error:
        raise UserError(f"{path}: {NO_CODEC}") from error
    except av.error.FFmpegError as error:
        raise UserError(f"{path}: not a video, or damaged ({error.strerror})") from error


def _array(frame: "VideoFrame") -> np.ndarray:
    """A frame as it is to be seen, (H, W, C)."""
    if frame.format.name in ("gray16le", "gray16be"):
        array = frame.to_ndarray(format="gray16le")[..., None]
    elif frame.format.name.startswith("gray"):
        array = frame.to_ndarray(format="gray")[..., None]
    else:
        array = frame.to_ndarray(format="rgb24")
    return np.rot90(array, frame.rotation // 90)


def _in_words(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]}"
