"""Mistakes in a user's own data, lists and parameters, and machine faults.

The cases are for test_bad_input.py.
"""

import json

import numpy as np

from tests.bad_input import (
    FULL_AT_THE_INDEX,
    FULL_AT_THE_SUBSET,
    FULL_WHEN_COPYING,
    OTHER_FILE,
    SHELL,
    Case,
    Change,
    Patch,
    array,
    described,
    first,
    holds,
    is_cut,
    lacks,
    nothing,
    params,
    pickled,
    says,
)
from tests.web import Answer
from tests.worlds import CSV, DESCRIPTION, LIST, OWN_PICKLE


def own(change: Change, stage: str, words: str) -> Case:
    return Case("own", change, stage, words)


def line(words: str, *lines: str) -> Case:
    """Own data with these lines in the list."""
    change = holds(CSV, "\n".join(("name,label,split", *lines)) + "\n")
    return own(change, "download", f"clips.csv: {words}")


def not_an_array(change: Change) -> Case:
    words = "not a whole array file ... must be an array of numbers written by numpy.save"
    return own(change, "download", f"clip clip01: clip01.npy: {words}")


def shaped(content: np.ndarray, words: str) -> Case:
    words = f"clip clip01: clip01.npy: ... {words}"
    return own(array("own/clip01.npy", content), "download", words)


FRAMES = "must be frames x 5 joints x 3 channels (x y z)"
GOOD = ("clip00,wave,train", "clip01,point,train", "clip02,wave,test")
OWN_CASES = {
    "own: no dataset.yaml": own(
        lacks(DESCRIPTION), "download",
        "own: holds no dataset.yaml; own data need it ... own_data.md",
    ),
    "own: dataset.yaml is no YAML": own(
        holds(DESCRIPTION, "classes: [wave"), "download", "dataset.yaml: line 1: not valid YAML",
    ),
    "own: dataset.yaml is empty": own(
        holds(DESCRIPTION, ""), "download", "dataset.yaml: must hold `key: value` lines",
    ),
    "own: dataset.yaml is not UTF-8": own(
        holds(DESCRIPTION, b"classes: [caf\xe9]"), "download",
        "dataset.yaml: not a UTF-8 text file",
    ),
    "own: dataset.yaml says a thing twice": own(
        says(DESCRIPTION, "dimensions: 3", "dimensions: 3\ndimensions: 2"), "download",
        "dataset.yaml: line ... not valid YAML: the key 'dimensions' occurs twice",
    ),
    "own: dataset.yaml holds a date that does not exist": own(
        says(DESCRIPTION, "dimensions: 3", "dimensions: 2026-02-30"), "download",
        "dataset.yaml: not valid YAML: day",
    ),
    "own: parents in a circle": own(
        described(parents=["hip", "head", "neck", "neck", "neck"]), "download",
        "dataset.yaml: parents: joint 1 does not lead to the centre, 0",
    ),
    "own: a class of two lines": own(
        described(classes=["wave", "point\nat"]), "download",
        "dataset.yaml: classes: 'point\\nat': must be one line of printable text",
    ),
    "own: a mirror that is a server": own(
        params("dataset", mirror="https://example.org"), "download",
        "dataset.mirror: https://example.org: own data must be in a folder",
    ),
    "own: a mirror that is not there": own(
        params("dataset", mirror="nowhere"), "download", "nowhere: holds no dataset.yaml",
    ),
    "own: neither list nor pickle": own(
        lacks(CSV), "download", "holds no clips.csv, 0 .npz, 12 .npy and 0 .pkl files; must be",
    ),
    "own: two pickles": Case(
        "own pickle", holds("own/more.pkl", ""), "download",
        "holds no clips.csv, 0 .npz, 0 .npy and 2 .pkl files; must be clips.csv, one .pkl, one",
    ),
    "own: a pickle that calls the shell": Case(
        "own pickle", pickled(OWN_PICKLE, first(extra=SHELL)), "prepare",
        "mine.pkl: refused: it asks for posix.system",
    ),
    "own: a pickle's clip of other joints": Case(
        "own pickle", pickled(OWN_PICKLE, first(keypoint=np.ones((1, 3, 4, 3)))), "prepare",
        "mine.pkl: 'clip0': keypoint: ... (1, 3, 4, 3); must be",
    ),
    "own: an empty list": own(holds(CSV, ""), "download", "clips.csv: is empty; must"),
    "own: a list of a header": line("has no line below its header; must have one line per clip"),
    "own: a list that is not UTF-8": own(
        holds(CSV, b"name,label,split\ncaf\xe9,wave,train\n"), "download",
        "clips.csv: not a UTF-8 text file",
    ),
    "own: a list with semicolons": own(
        says(CSV, ",", ";"), "download",
        "clips.csv: its values are separated by semicolons; must be commas",
    ),
    "own: a list without a column": own(
        says(CSV, "label", "action"), "download",
        "clips.csv: no column 'label'; needed: name, label, split",
    ),
    "own: a column twice": own(
        says(CSV, "split", "split,split"), "download",
        "clips.csv: the column 'split' occurs twice; must occur once",
    ),
    "own: a quote that does not end": line(
        "line 5: not valid CSV (unexpected end ... quotation marks", '"clip00,wave,train', *GOOD
    ),
    "own: a name of two lines": line(
        "line 3: 'clip\\n00': must be one line of printable text", '"clip\n00",wave,train', *GOOD
    ),
    "own: an empty name": line("line 5: the name is empty", *GOOD, ",wave,test"),
    "own: an unknown label": line(
        "line 5: label 'jump'; must be a class of dataset.yaml, or its", *GOOD, "clip03,jump,test"
    ),
    "own: a label beyond the last": line("line 5: label '2'; ... 0 to 1", *GOOD, "clip03,2,test"),
    "own: an unknown part": line(
        "line 5: split 'validation'; must be train, test or empty", *GOOD, "clip03,wave,validation"
    ),
    "own: a line too short": line("line 5: 2 values; must be 3", *GOOD, "clip03,wave"),
    "own: a line too long": line(
        "line 5: 4 values; must be 3", "", *GOOD[:2], "clip03,wave,test,x"
    ),
    "own: all lines too long": line("line 2: 4 values; must be 3", *(f"{each}," for each in GOOD)),
    "own: a file that leads out": line(
        "line 5: file '../clip03.npy'; must be a path inside the folder",
        *GOOD,
        "../clip03,wave,test",
    ),
    "own: a file with an absolute path": line(
        "line 5: file '/clip03.npy'; must be a path inside the folder", *GOOD, "/clip03,wave,test"
    ),
    "own: a file that is not there": own(
        lacks("own/clip01.npy"), "download",
        "clips.csv: line 3: there is no file clip01.npy in own",
    ),
    "own: two clips of one name": own(
        says(CSV, "clip01", "clip00"), "download",
        "clips.csv: line 3: the name 'clip00' is also that of line 2; names must be unique",
    ),
    "own: no test clip": own(
        says(CSV, ",test", ","), "prepare",
        "split 'default' has no test clip; it needs at least one",
    ),
    "own: an array cut off": not_an_array(is_cut("own/clip01.npy")),
    "own: an empty array file": not_an_array(holds("own/clip01.npy", "")),
    "own: a text file for an array": not_an_array(holds("own/clip01.npy", "1 2 3\n")),
    "own: a broken zip for an array": own(
        holds("own/clip01.npy", b"PK\x03\x04rest"), "download",
        "clip clip01: clip01.npy: a zip archive that is cut off, or holds no arrays; can",
    ),
    "own: an array of objects": own(
        array("own/clip01.npy", np.array([[SHELL]], object)), "download",
        "clip clip01: clip01.npy: holds Python objects, not numbers; must be one array of numbers",
    ),
    "own: an array larger than memory": not_an_array(
        says("own/clip01.npy", "(5, 5, 3), }" + " " * 12, "(555555555555, 5, 3), }" + "  ")
    ),
    "own: an array with half a header": not_an_array(
        says("own/clip01.npy", "(5, 5, 3)", "(5, 5, 3 ")
    ),
    "own: text in an array": shaped(np.full((4, 5, 3), "x"), "must hold one array of numbers"),
    "own: a joint too few": shaped(np.ones((4, 4, 3)), f"an array of shape (4, 4, 3); {FRAMES}"),
    "own: another layout": shaped(np.ones((4, 17, 3)), f"of shape (4, 17, 3); {FRAMES}"),
    "own: two dimensions": shaped(np.ones((4, 5, 2)), f"an array of shape (4, 5, 2); {FRAMES}"),
    "own: two axes": shaped(np.ones((4, 15)), f"an array of shape (4, 15); {FRAMES}"),
    "own: no frame": own(
        array("own/clip01.npy", np.ones((0, 5, 3))), "download",
        "clip clip01: clip01.npy: an array of shape (0, 5, 3); must have at least one frame",
    ),
    "own: a split that no column is": own(
        params("dataset", split="xsub"), "download",
        "params.yaml: dataset.split: custom has no split 'xsub'; known: default",
    ),
    "own: a class without a training clip": own(
        holds(CSV, "name,label,split\nclip00,wave,train\nclip01,point,test\n"), "subsample",
        "the class 'point' keeps no training clip; ... or give it training clips",
    ),
}  # fmt: skip


def listed(content: str | bytes, words: str, stage: str = "download") -> Case:
    return Case("listed", holds(LIST, content), stage, words)


LIST_CASES = {
    "a list of an unknown clip": listed(
        "clip00\nclip99\n", "mine.txt: clip99 is not a training clip of this split ... (1 of 2"
    ),
    "a list of a test clip": listed(
        "clip00\nclip02\n", "mine.txt: clip02 is not a training clip of this split ... (1 of 2"
    ),
    "a list of a clip twice": listed("clip00\nclip03\nclip00\n", "mine.txt: clip00 occurs twice"),
    "a list without a class": listed(
        "clip00\n", "the class 'point' keeps no training clip; ", "subsample"
    ),
    "an empty list": listed("", "the class 'wave' keeps no training clip; ", "subsample"),
    "a list that is not UTF-8": listed(b"caf\xe9\n", "lists/mine.txt: cannot be read ... must be"),
    "a list that is not there": Case(
        "listed", lacks(LIST), "download",
        "params.yaml: subsample.list_file: lists/mine.txt: cannot be read ... must be a text file",
    ),
}  # fmt: skip


def full(world: str, stage: str, machine: Patch) -> Case:
    return Case(world, nothing, stage, "No space left on device", machine)


OTHER_RECORD = OTHER_FILE | {"ntu60_3danno.pkl": OTHER_FILE["other.zip"]}
OTHER_CASES = {
    "params.yaml: an unknown dataset": own(
        params("dataset", name="ntu"), "download",
        "params.yaml: dataset.name: unknown dataset 'ntu'; known: synthetic, nw_ucla",
    ),
    "params.yaml: an unknown split": Case(
        "ntu60", params("dataset", split="xset"), "download",
        "params.yaml: dataset.split: ntu60 has no split 'xset'; known: xsub, xview",
    ),
    "other bytes than the first time": Case(
        "ntu60", holds("checksums.json", json.dumps(OTHER_RECORD)), "download",
        "ntu60_3danno.pkl from mirror/ntu60_3danno.pkl: differs from the file first fetched, from "
        "elsewhere ... delete its entry in checksums.json",
    ),
    "a broken record of checksums": Case(
        "ntu60", holds("checksums.json", '{"other.zip": 1}'), "download",
        "checksums.json: other.zip: ... each name needs sha256, bytes and from",
    ),
    "a server without the file": Case(
        "ntu60", nothing, "download",
        "ntu60_3danno.pkl: download failed (HTTPError: 404 ... put ntu60_3danno.pkl into a folder",
        Answer(status=404),
    ),
    "a full disk: downloading": full("ntu60", "download", FULL_WHEN_COPYING("ntu60_3danno")),
    "a full disk: own files": full("own, elsewhere", "download", FULL_WHEN_COPYING("clip07")),
    "a full disk: raw files": full("raw files", "download", FULL_WHEN_COPYING("A007")),
    "a full disk: kpfiles": full("kinetics", "download", FULL_WHEN_COPYING("b.pkl")),
    "a full disk: preparing": full("own", "prepare", FULL_AT_THE_INDEX),
    "a full disk: the subset": full("own", "subsample", FULL_AT_THE_SUBSET),
}  # fmt: skip

CASES = OWN_CASES | LIST_CASES | OTHER_CASES
