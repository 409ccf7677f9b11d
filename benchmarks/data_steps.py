"""The steps that benchmarks/data.py measures, each in its own process."""

import pickle
import statistics
import sys
import time
import zipfile
from functools import partial

import numpy as np

from brl.clips.clip import Clip
from brl.support.paths import RAW, STORE

SHORTEST, LONGEST = 40, 120  # frames: 80 on average
TWO_BODIES = 5  # every fifth action has two persons, similar to the dataset
BATCH, FRAMES, BATCHES = 64, 64, 200


def names(count: int) -> list[str]:
    """Clip names in NTU's format, over all performers, setups and actions."""
    return [
        f"S{1 + i % 32:03d}C{1 + i % 3:03d}P{1 + i % 106:03d}R{i // 120:03d}A{1 + i % 120:03d}"
        for i in range(count)
    ]


def generated(pool: np.ndarray, number: int) -> np.ndarray:
    """Joints (M, T, 25, 3) of the clip with a number, cut from a pool of frames (F, 25, 3)."""
    frames = SHORTEST + number * 7 % (LONGEST - SHORTEST + 1)
    bodies = 2 if number % 120 % TWO_BODIES == 0 else 1
    starts = [number * 31 % (len(pool) - LONGEST), number * 17 % (len(pool) - LONGEST)]
    return np.stack([pool[start : start + frames] for start in starts[:bodies]])


def pool_of_frames() -> np.ndarray:
    """Random frames, (4096, 25, 3)."""
    return np.random.default_rng(0).normal(size=(4096, 25, 3)).astype(np.float32)


def read_generated(pool: np.ndarray, item: tuple[int, str]) -> list[Clip]:
    """The clip of an item: its number and its name."""
    number, name = item
    return [Clip(name, number % 120, generated(pool, number))]


def prepare_streamed(count: int) -> None:
    """Prepares so many clips that are generated one by one."""
    from brl.clips.layouts import NTU25
    from brl.clips.normalize import Normalization
    from brl.datasets.ntu.names import CLASSES_120, ntu_splits
    from brl.datasets.prepare import prepare
    from brl.datasets.source import Dataset

    dataset = Dataset(
        layout=NTU25,
        classes=CLASSES_120,
        items=list(enumerate(names(count))),
        read=partial(read_generated, pool_of_frames()),
        splits=partial(ntu_splits, second="xset"),
        normalization=Normalization("ntu"),
    )
    prepare("ntu120", dataset, STORE, max_bodies=2)


def open_store() -> None:
    """Opens the store; prints the seconds."""
    from brl.clips.store import ClipStore

    started = time.perf_counter()
    ClipStore.open(STORE)
    print(time.perf_counter() - started)


def subsample() -> None:
    """Runs the stage."""
    from stages.subsample import main

    main()


def gather() -> None:
    """Gathers batches from the store; prints the median of their milliseconds."""
    import torch

    from brl.clips.store import ClipStore
    from brl.streams.batch import Clips

    store = ClipStore.open(STORE)
    chosen = store.part("xsub", "train")
    clips = Clips.of_store(store, chosen, torch.device("cpu"))
    draws = np.random.default_rng(0)
    batches = [torch.from_numpy(draws.choice(len(chosen), BATCH)) for _ in range(BATCHES)]
    times: list[float] = []
    for _ in range(2):  # in the second pass all pages are in memory
        times.clear()
        for indices in batches:
            frames = torch.arange(FRAMES) * clips.lengths[indices, None] // FRAMES
            started = time.perf_counter()
            clips.joints(indices, frames)
            times.append(time.perf_counter() - started)
    print(1000 * statistics.median(times))


def write_pickle(count: int) -> None:
    """Writes a pickle of annotations in PYSKL's format."""
    pool, clip_names = pool_of_frames(), names(count)
    annotations = [
        {"frame_dir": name, "label": i % 120, "keypoint": generated(pool, i).astype(np.float16)}
        for i, name in enumerate(clip_names)
    ]
    split = {"xsub_train": clip_names[::2], "xsub_val": clip_names[1::2]}
    RAW.mkdir(parents=True, exist_ok=True)
    with (RAW / "ntu120_3danno.pkl").open("wb") as file:
        pickle.dump({"split": split, "annotations": annotations}, file, protocol=4)


def read_pickle() -> None:
    """Only reads the pickle."""
    from brl.datasets.pickles import load_plain

    load_plain(RAW / "ntu120_3danno.pkl")


def prepare_pickle() -> None:
    """Prepares the pickle."""
    prepare_source("ntu120")


def write_raw(count: int) -> None:
    """Writes archives of raw skeleton files."""
    from brl.datasets.ntu.raw import ARCHIVES

    pool = pool_of_frames()
    for number, archive in enumerate(ARCHIVES):
        with zipfile.ZipFile(RAW / archive, "w", zipfile.ZIP_DEFLATED) as opened:
            for i, name in enumerate(names(count)):
                if (int(name[1:4]) > 17) == number:
                    opened.writestr(
                        f"nturgb+d_skeletons/{name}.skeleton", skeleton_text(generated(pool, i))
                    )


def skeleton_text(joints: np.ndarray) -> str:
    """The raw file of joints (M, T, 25, 3), with all fields of a real one."""
    rest = " 277.4 191.8 1035.2 519.5 -0.21 0.02 0.97 -0.03 2"
    lines = [f"{joints.shape[1]}"]
    for frame in joints.swapaxes(0, 1):
        lines.append(f"{len(frame)}")
        for body, rows in enumerate(frame):
            lines += [f"7205759{body} 0 1 1 1 1 0 0.03 0.27 2", "25"]
            lines += [f"{x:.7f} {y:.7f} {z:.7f}{rest}" for x, y, z in rows]
    return "\n".join(lines) + "\n"


def prepare_raw() -> None:
    """Prepares the raw files."""
    prepare_source("ntu120_raw")


def prepare_source(name: str) -> None:
    """Prepares a dataset's files into a second store."""
    from brl.datasets.prepare import prepare
    from brl.datasets.table import source_of

    prepare(name, source_of(name).open(RAW), STORE.with_name("other_store"), max_bodies=2)


STEPS = (
    prepare_streamed, open_store, subsample, gather, write_pickle, read_pickle, prepare_pickle,
    write_raw, prepare_raw,
)  # fmt: skip

if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    {each.__name__: each for each in STEPS}[step](*map(int, arguments))
