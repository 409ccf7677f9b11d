"""Mistakes in annotation pickles and Kinetics' kpfiles: cases for test_bad_input.py."""

import numpy as np

from tests.bad_input import (
    EVAL,
    PAGE,
    SHELL,
    Case,
    Change,
    first,
    holds,
    is_cut,
    lacks,
    params,
    pickled,
    split,
)
from tests.worlds import KINETICS, KPFILE, NTU60, NTU60_2D, TEST, TRAIN


def ntu60(change: Change, stage: str, words: str) -> Case:
    return Case("ntu60", change, stage, f"ntu60_3danno.pkl: {words}")


def annotation(stage_says: str, **changes: object) -> Case:
    """NTU-60 with changed keys in its first annotation."""
    return ntu60(pickled(NTU60, first(**changes)), "prepare", f"{TRAIN[0]!r}: {stage_says}")


def in_2d(stage_says: str, **changes: object) -> Case:
    change = pickled(NTU60_2D, first(**changes))
    return Case("ntu60_2d", change, "prepare", f"ntu60_hrnet.pkl: {TRAIN[0]!r}: {stage_says}")


def of_split(words: str, **lists: list[str] | None) -> Case:
    """NTU-60 with changed lists of clips."""
    return Case("ntu60", pickled(NTU60, split(**lists)), "prepare", f"ntu60: split 'xsub'{words}")


def hidden(content: object) -> Change:
    array = np.empty(1, dtype=object)
    array[0] = content
    return pickled(NTU60, first(keypoint=array))


PICKLE_CASES = {
    "no pickle": Case("ntu60", lacks(NTU60), "download", "mirror holds no ntu60_3danno.pkl"),
    "a pickle that calls the shell": ntu60(
        pickled(NTU60, first(extra=SHELL)), "download", "refused: it asks for posix.system"
    ),
    "a pickle that evaluates code": ntu60(
        pickled(NTU60, first(extra=EVAL)), "download", "refused: it asks for builtins.eval"
    ),
    "an array that hides a call": ntu60(
        hidden(SHELL), "download", "refused: it holds a NumPy object array"
    ),
    "a pickle cut off": ntu60(is_cut(NTU60), "download", "not a whole pickle ... download"),
    "an empty pickle": ntu60(holds(NTU60, ""), "download", "not a whole pickle ... download"),
    "a page": ntu60(holds(NTU60, PAGE), "download", "not a whole pickle ... download"),
    "a list": ntu60(holds(NTU60, b"]."), "download", "not an annotation pickle: must be a dict"),
    "no annotations": ntu60(
        pickled(NTU60, lambda content: content.pop("annotations")), "download",
        "not an annotation pickle: must be ... annotations is missing",
    ),
    "no splits": ntu60(
        pickled(NTU60, lambda content: content.pop("split")), "download",
        "not an annotation pickle: must be ... split is missing",
    ),
    "an annotation without a name": ntu60(
        pickled(NTU60, first(frame_dir=...)), "download", "annotation 0: must be ... frame_dir",
    ),
    "a training list without a partner": ntu60(
        pickled(NTU60, split(xsub_val=None)), "download",
        "split: ['xsub_train']: needs pairs such as 'train' and 'test'",
    ),
    "a split that is no list": ntu60(
        pickled(NTU60, split(xsub_val="S001")), "download", "split: 'xsub_val': must be a list",
    ),
    "not the split of params.yaml": Case(
        "ntu60", pickled(NTU60, split(xsub_train=None, xsub_val=None, train=TRAIN, val=[TEST])),
        "subsample", "params.yaml: dataset.split: ntu60 has no split 'xsub'; known: default",
    ),
    "a split of unknown clips": of_split(
        f": test: there is no clip '{TEST[:-1]}9' (1 of 2 names", xsub_val=[TEST, f"{TEST[:-1]}9"]
    ),
    "a split of other names": Case(
        "ntu60", pickled(NTU60, split(xsub_val=[TEST, "S009"])), "prepare",
        "S009: not the name of an NTU RGB+D clip; must be like",
    ),
    "a clip both for training and test": of_split(
        f": the clip {TRAIN[0]!r} occurs twice; a clip must be", xsub_val=[TEST, TRAIN[0]]
    ),
    "a clip twice in a list": of_split(
        f": the clip {TRAIN[0]!r} occurs twice", xsub_train=[*TRAIN, TRAIN[0]]
    ),
    "no training clip": of_split(" has no train clip; it needs at least one", xsub_train=[]),
    "two clips of one name": Case(
        "ntu60", pickled(NTU60, first(frame_dir=TRAIN[1])), "prepare",
        f"ntu60: two clips are named {TRAIN[1]!r}; names must be unique",
    ),
    "no clip at all": Case(
        "ntu60", pickled(NTU60, lambda content: content["annotations"].clear()), "prepare",
        "ntu60: not a single clip was found",
    ),
    "24 joints": annotation(
        "keypoint: an array of float64, (1, 2, 24, 3); must be an array of numbers, (M, T, 25, 3)",
        keypoint=np.ones((1, 2, 24, 3)),
    ),
    "one clip of another layout": annotation(
        "keypoint: ... (1, 2, 17, 3); must be", keypoint=np.ones((1, 2, 17, 3))
    ),
    "keypoints of three axes": annotation(
        "keypoint: ... (2, 25, 3); must be", keypoint=np.ones((2, 25, 3))
    ),
    "keypoints of text": annotation("keypoint: ... must be", keypoint=np.full((1, 2, 25, 3), "x")),
    "no frame in the only clip of a class": Case(
        "ntu60", pickled(NTU60, first(keypoint=np.ones((1, 0, 25, 3)))), "subsample",
        "the class 'drink water' keeps no training clip; ",
    ),
    "no keypoints": annotation("keypoint: missing; must be an array", keypoint=...),
    "a label beyond the last": Case(
        "ntu60", pickled(NTU60, first(label=60)), "prepare",
        f"clip {TRAIN[0]}: label 60; must be 0 to 59",
    ),
    "a label below the first": Case(
        "ntu60", pickled(NTU60, first(label=-1)), "prepare",
        f"clip {TRAIN[0]}: label -1; must be 0 to 59",
    ),
    "a label in words": annotation("label: 'drink'; must be a whole number", label="drink"),
    "a name of two lines": Case(
        "ntu60", pickled(NTU60, first(frame_dir="one\ntwo")), "prepare",
        "clip 'one\\ntwo': not a valid name; must be",
    ),
    "a name that is not UTF-8": Case(
        "ntu60", pickled(NTU60, first(frame_dir="caf\udce9")), "prepare",
        "clip 'caf\\udce9': not a valid name; must be",
    ),
    "2D without scores": in_2d("keypoint_score: missing; must be", keypoint_score=...),
    "2D with scores of another length": in_2d(
        "keypoint_score: an array of float64, (1, 2, 17); must be",
        keypoint_score=np.ones((1, 2, 17)),
    ),
    "2D without the image's size": in_2d("img_shape: missing; must be (height,", img_shape=...),
    "2D with an image of no size": in_2d("img_shape: (0, 0); must be (height,", img_shape=(0, 0)),
}  # fmt: skip


def kinetics(change: Change, stage: str, words: str) -> Case:
    return Case("kinetics", change, stage, words)


KINETICS_CASES = {
    "Kinetics: no kpfile": kinetics(
        lacks(KPFILE), "download",
        "kpfiles/a.pkl is missing (1 of 2 kpfiles): the kpfiles must be fetched by hand ... mirror",
    ),
    "Kinetics: no folder of kpfiles": kinetics(
        params("dataset", mirror="lists"), "download",
        "a folder kpfiles is missing: the kpfiles must be fetched by hand ... dataset.mirror",
    ),
    "Kinetics: no mirror": kinetics(
        params("dataset", mirror=None), "download",
        "a folder kpfiles is missing: the kpfiles must be fetched by hand ... dataset.mirror",
    ),
    "Kinetics: a kpfile that calls the shell": kinetics(
        holds(KPFILE, b"cos\nsystem\n(S'touch it_ran'\ntR."), "download",
        "a.pkl: refused: it asks for os.system",
    ),
    "Kinetics: a kpfile cut off": kinetics(is_cut(KPFILE), "download", "a.pkl: not a whole pickle"),
    "Kinetics: a clip that its kpfile lacks": kinetics(
        pickled(KPFILE, lambda content: content.pop("clip000")), "prepare",
        "kpfiles/a.pkl: 'clip000': keypoint: missing; must be an array",
    ),
    "Kinetics: a kpfile that leads out": kinetics(
        pickled(KINETICS, first(raw_file="..")), "download",
        "k400_hrnet.pkl: 'clip000': raw_file: '..'; must be the path of its kpfile",
    ),
    "Kinetics: scores of another length": kinetics(
        pickled(KINETICS, first(box_score=np.ones(2))), "prepare",
        "k400_hrnet.pkl: 'clip000': box_score: an array of float64, (2,); must be",
    ),
}  # fmt: skip

CASES = PICKLE_CASES | KINETICS_CASES
