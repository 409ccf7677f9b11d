"""The smallest valid projects, one a kind of dataset: they pass download, prepare and subsample."""

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.io import savemat

from brl.datasets.msr_action3d import NOISY
from brl.datasets.ntu.raw import ARCHIVES
from brl.datasets.nw_ucla import TRAIN_ORDER
from brl.datasets.penn_action import CLASSES as PENN_CLASSES
from tests.ntu_files import write_files
from tests.own_data import STICK, write_description, write_stick_figures
from tests.project import HERE

PARAMS = yaml.safe_load((HERE / "params.yaml").read_text(encoding="utf-8"))

NW_UCLA = Path("mirror/all_sqe.zip")
UTD_MHAD = Path("mirror/utd_mhad_skeleton.zip")
MSR_ACTION3D = Path("mirror/msr_action3d.zip")
PENN_ACTION = Path("mirror/penn_action_labels.zip")
NTU60 = Path("mirror/ntu60_3danno.pkl")
NTU60_2D = Path("mirror/ntu60_hrnet.pkl")
NTU_ZIP = Path("mirror") / ARCHIVES[0]
KINETICS = Path("mirror/k400_hrnet.pkl")
KPFILE = Path("mirror/kpfiles/a.pkl")
CSV, DESCRIPTION = Path("own/clips.csv"), Path("own/dataset.yaml")
OWN_PICKLE, LIST = Path("own/mine.pkl"), Path("lists/mine.txt")

# A training clip of each action, and one test clip: in the official splits by their names.
TRAIN = [f"S001C002P001R001A{action:03d}" for action in range(1, 61)]
TEST = "S001C001P003R001A001"


@dataclass(frozen=True)
class World:
    """A project: how to write its files, and its changes to params.yaml, by dotted name."""

    build: Callable[[Path], None]
    name: str
    split: str = "default"
    mirror: str | None = "mirror"
    list_file: str | None = None

    def write(self, root: Path) -> None:
        self.build(root)
        params = PARAMS | {
            "dataset": {"name": self.name, "split": self.split, "mirror": self.mirror},
            "subsample": PARAMS["subsample"] | {"list_file": self.list_file},
        }
        (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def nw_ucla(root: Path) -> None:
    """1,484 clips of one frame: the names of the training clips are the real ones."""
    actions = ("a01", "a02", "a03", "a04", "a05", "a06", "a08", "a09", "a11", "a12")
    takes = islice(product(actions, range(1, 11), range(5)), 464)
    tested = [f"{action}_s{person:02d}_e{take:02d}_v03" for action, person, take in takes]
    trained = TRAIN_ORDER.read_text(encoding="utf-8").splitlines()
    with zipfile.ZipFile(new(root / NW_UCLA), "w") as archive:
        for value, name in enumerate(sorted([*trained, *tested]), 1):  # no clip is a copy
            label = actions.index(name[:3]) + 1
            archive.writestr(f"all_sqe/{name}.json", nw_ucla_clip(label, value=value))


def nw_ucla_clip(label: Any, shape: tuple[int, ...] = (1, 20, 3), value: float = 1) -> str:
    return json.dumps({"skeletons": np.full(shape, float(value)).tolist(), "label": label})


def utd_mhad(root: Path) -> None:
    """861 clips of two frames; three of the 27 x 8 x 4 trials are missing, as in the real zip."""
    takes = islice(product(range(1, 28), range(1, 9), range(1, 5)), 861)
    with zipfile.ZipFile(new(root / UTD_MHAD), "w") as archive:
        for value, (action, subject, trial) in enumerate(takes, 1):
            content = matlab(d_skel=np.full((20, 3, 2), float(value)))
            archive.writestr(f"a{action}_s{subject}_t{trial}_skeleton.mat", content)


def msr_action3d(root: Path) -> None:
    """567 clips of two frames, the ten that are left out among them."""
    takes = product(range(1, 21), range(1, 11), range(1, 4))
    names = {f"a{action:02d}_s{subject:02d}_e{take:02d}" for action, subject, take in takes}
    names = [*NOISY, *sorted(names - NOISY, key=lambda name: (name[-3:], name))[:557]]
    with zipfile.ZipFile(new(root / MSR_ACTION3D), "w") as archive:
        for value, name in enumerate(names, 1):
            archive.writestr(f"MSR/{name}_skeleton3D.txt", f"0.1 {value} 2.5 1.0\n" * 40)


def penn_action(root: Path) -> None:
    """2,326 clips of one frame; those of a class and part are copies."""
    actions = [name.replace(" ", "_") for name in PENN_CLASSES]
    kinds = {kind: penn_clip(*kind) for kind in product(actions, (1, -1))}
    with zipfile.ZipFile(new(root / PENN_ACTION), "w") as archive:
        for number in range(1, 2327):
            kind = actions[number % 15], 1 if number % 2 else -1
            archive.writestr(f"labels/{number:04d}.mat", kinds[kind])


def penn_clip(action: Any = "bowl", train: Any = 1, **changes: Any) -> bytes:
    """A clip of one frame. The value `...` leaves a variable out."""
    variables = {
        "action": action,
        "x": np.full((1, 13), 50.0 if train == 1 else 60.0),
        "y": np.full((1, 13), 50.0),
        "visibility": np.ones((1, 13), np.uint8),
        "dimensions": np.array([270, 480, 1], np.uint16),
        "train": train,
    } | changes
    return matlab(**{name: value for name, value in variables.items() if value is not ...})


def matlab(compressed: bool = False, **variables: Any) -> bytes:
    """A MATLAB file."""
    content = io.BytesIO()
    savemat(content, variables, do_compression=compressed)
    return content.getvalue()


def ntu60(root: Path) -> None:
    write_pickle(root / NTU60, keypoint=np.ones((1, 1, 25, 3), np.float16))


def ntu60_2d(root: Path) -> None:
    write_pickle(
        root / NTU60_2D,
        keypoint=np.ones((1, 1, 17, 2), np.float16),
        keypoint_score=np.ones((1, 1, 17), np.float16),
        img_shape=(1080, 1920),
    )


def write_pickle(path: Path, **content: Any) -> None:
    annotations = [
        {"frame_dir": name, "label": int(name[-3:]) - 1, "total_frames": 1, **content}
        for name in [*TRAIN, TEST]
    ]
    parts = {"xsub_train": TRAIN, "xsub_val": [TEST]}
    new(path).write_bytes(pickle.dumps({"split": parts, "annotations": annotations}))


def ntu60_raw(root: Path) -> None:
    write_files(root / "mirror", [*TRAIN, TEST], frames=1)


def ntu60_zip(root: Path) -> None:
    write_files(root / "loose", [*TRAIN, TEST], frames=1)
    with zipfile.ZipFile(new(root / NTU_ZIP), "w") as archive:
        for file in sorted((root / "loose").iterdir()):
            archive.write(file, f"nturgb+d_skeletons/{file.name}")
    shutil.rmtree(root / "loose")


def kinetics(root: Path) -> None:
    """A training clip of each class and one test clip, in two kpfiles."""
    names = [f"clip{label:03d}" for label in range(400)]
    annotations, files = [], {"a.pkl": {}, "b.pkl": {}}
    for label, name in enumerate([*names, "test"]):
        file = "b.pkl" if name == "test" else "a.pkl"
        files[file][name] = {"keypoint": np.ones((1, 17, 3), np.float32)}
        annotations.append(
            {
                "frame_dir": name,
                "label": label % 400,
                "img_shape": (340, 256),
                "raw_file": f"data/{file}",
                "frame_inds": np.zeros(1, np.int64),
                "box_score": np.ones(1, np.float32),
            }
        )
    content = {"split": {"train": names, "val": ["test"]}, "annotations": annotations}
    new(root / KINETICS).write_bytes(pickle.dumps(content))
    for file, clips in files.items():
        new(root / "mirror/kpfiles" / file).write_bytes(pickle.dumps(clips))


def own_arrays(root: Path) -> None:
    write_stick_figures(root / "own")


def own_pickle(root: Path) -> None:
    write_description(new(root / DESCRIPTION).parent, STICK)
    annotations = [
        {"frame_dir": f"clip{place}", "label": place % 2, "keypoint": np.ones((1, 3, 5, 3))}
        for place in range(4)
    ]
    parts = {"train": ["clip0", "clip1"], "test": ["clip2", "clip3"]}
    content = {"split": parts, "annotations": annotations}
    (root / OWN_PICKLE).write_bytes(pickle.dumps(content))


def listed(root: Path) -> None:
    write_stick_figures(root / "own")
    new(root / LIST).write_text("clip00\nclip03\n")


def new(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


WORLDS = {
    "nw_ucla": World(nw_ucla, "nw_ucla", "cross_view"),
    "utd_mhad": World(utd_mhad, "utd_mhad", "xsub"),
    "msr_action3d": World(msr_action3d, "msr_action3d", "xsub"),
    "penn_action": World(penn_action, "penn_action"),
    "ntu60": World(ntu60, "ntu60", "xsub"),
    "ntu60_2d": World(ntu60_2d, "ntu60_2d", "xsub"),
    "raw files": World(ntu60_raw, "ntu60_raw", "xsub"),
    "raw zip": World(ntu60_zip, "ntu60_raw", "xview"),
    "kinetics": World(kinetics, "kinetics400"),
    "own": World(own_arrays, "custom", mirror=None),
    "own, elsewhere": World(own_arrays, "custom", mirror="own"),
    "own pickle": World(own_pickle, "custom", mirror=None),
    "listed": World(listed, "custom", mirror=None, list_file="mine.txt"),
}
