"""Videos and folders of images for tests."""

from pathlib import Path

import av
import numpy as np
from PIL import Image


def write_video(
    path: Path, frames: np.ndarray, codec: str = "ffv1", pixels: str = "bgr0", rate: int = 25
) -> None:
    """Writes frames (n, H, W, 3) uint8 in red, green, blue, or (n, H, W) uint16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.bit_rate = 4_000_000
        for frame in frames:
            kind = "gray16le" if frame.dtype == np.uint16 else "rgb24"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format=kind)))
        container.mux(stream.encode())


def write_images(folder: Path, frames: np.ndarray, name: str = "{}.png") -> None:
    """Writes a folder of images: (n, H, W, 3) uint8, (n, H, W) uint8 or uint16."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / name.format(number))


def numbered(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames (n, H, W, 3) uint8 whose red tells their number, and whose green tells the column."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[..., 0] = 10 * np.arange(count)[:, None, None]
    frames[..., 1] = np.arange(width)
    return frames
