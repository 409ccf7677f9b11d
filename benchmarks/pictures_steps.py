"""The steps that benchmarks/pictures.py measures, each in its own process."""

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from brl.pictures.form import Form
from brl.pictures.store import Kept, PictureStore, write_pictures
from brl.support.paths import PICTURES

FORM = Form(112, 16, "color", "none")
JOINT_FRAMES = 80
BATCH, BATCHES = 64, 50
HEIGHT, WIDTH = 480, 640
FILMS = Path("films")


def write(count: int) -> None:
    """Writes the pictures of so many clips, cut from a pool of random ones."""
    pool = np.random.default_rng(0).integers(0, 256, (256, *FORM.shape), np.uint8)

    def clips() -> Iterator[Kept]:
        for number in range(count):
            start = number * 31 % (len(pool) - FORM.frames)
            rate = FORM.frames / JOINT_FRAMES
            yield Kept(pool[start : start + FORM.frames], rate, 0.0)

    write_pictures(PICTURES, {"rgb": (FORM, clips())})


def open_store() -> None:
    """Opens the store and maps the rows; prints the seconds."""
    started = time.perf_counter()
    _ = PictureStore.open(PICTURES).pictures("rgb").rows
    print(time.perf_counter() - started)


def gather() -> None:
    """Gathers batches of random clips and frames; prints clips per second, of the median batch."""
    pictures = PictureStore.open(PICTURES).pictures("rgb")
    draws = np.random.default_rng(0)
    seconds = []
    for _ in range(BATCHES):
        clips = draws.integers(0, len(pictures.counts), BATCH)
        frames = np.sort(draws.integers(0, JOINT_FRAMES, (BATCH, FORM.frames)))
        started = time.perf_counter()
        pictures.of(clips, frames)
        seconds.append(time.perf_counter() - started)
    print(BATCH / statistics.median(seconds))


def write_films(count: int) -> None:
    """Writes so many videos of a bright square that moves over noise."""
    import av

    FILMS.mkdir()
    noise = np.random.default_rng(0).integers(0, 60, (HEIGHT, WIDTH, 3), np.uint8)
    for number in range(count):
        with av.open(str(FILMS / f"{number}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=30)
            stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
            for place in range(JOINT_FRAMES):
                frame = noise.copy()
                frame[200:280, 4 * place : 4 * place + 80] = 200
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())


def prepare_films(count: int) -> None:
    """Keeps the pictures of the videos with all cores; prints films per second."""
    from functools import partial

    from brl.datasets.own.films import OwnFilm
    from brl.pictures.files import PictureFile
    from brl.pictures.prepare import kept
    from brl.support.parallel import in_parallel

    films = [
        OwnFilm(PictureFile(FILMS / f"{number}.mp4"), JOINT_FRAMES, None) for number in range(count)
    ]
    started = time.perf_counter()
    write_pictures(
        PICTURES.with_name("films"),
        {"rgb": (FORM, in_parallel(partial(kept, frames=JOINT_FRAMES, form=FORM), films))},
    )
    print(count / (time.perf_counter() - started))


STEPS = (write, open_store, gather, write_films, prepare_films)

if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    {each.__name__: each for each in STEPS}[step](*map(int, arguments))
