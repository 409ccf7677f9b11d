"""Mistakes in the NW-UCLA zip and in raw NTU files: cases for test_bad_input.py."""

import shutil
from pathlib import Path

from tests.bad_input import (
    PAGE,
    Case,
    Change,
    both,
    holds,
    is_cut,
    lacks,
    nothing,
    params,
    says,
    zipped,
)
from tests.web import Answer
from tests.worlds import (
    NTU_ZIP,
    NW_UCLA,
    TRAIN,
    nw_ucla_clip,
)

CLIP = "all_sqe/a01_s01_e00_v01.json"
TEST_CLIP = "all_sqe/a01_s01_e00_v03.json"


def changed_clip(content: str) -> Change:
    return zipped(NW_UCLA, CLIP, content)


NW_UCLA_CASES = {
    "no archive": Case(
        "nw_ucla", lacks(NW_UCLA), "download",
        "params.yaml: dataset.mirror: mirror holds no all_sqe.zip; it must be",
    ),
    "no archive: a page": Case(
        "nw_ucla", holds(NW_UCLA, PAGE), "download", "all_sqe.zip ... not a whole zip file",
    ),
    "no archive: a page of the server": Case(
        "nw_ucla", nothing, "download", "all_sqe.zip from http ... not a whole zip file",
        Answer(PAGE.encode()),
    ),
    "archive cut off": Case(
        "nw_ucla", is_cut(NW_UCLA), "download", "all_sqe.zip ... not a whole zip file",
    ),
    "a byte of the archive is another": Case(
        "nw_ucla", says(NW_UCLA, '"label": 10', '"label": 11'), "download",
        "all_sqe.zip ... a12_s01_e00_v01.json in it is damaged",
    ),
    "a path that leads out of the archive": Case(
        "nw_ucla", zipped(NW_UCLA, "../../x.json", "{}"), "prepare",
        "all_sqe.zip: unsafe path '../../x.json'",
    ),
    "a name in the archive that is not UTF-8": Case(
        "nw_ucla", both(zipped(NW_UCLA, "é.txt", ""), says(NW_UCLA, "é.txt", b"\xff\xff.txt")),
        "download", "all_sqe.zip ... not a whole zip file",
    ),
    "a name in the archive that would write to the terminal": Case(
        "nw_ucla", zipped(NW_UCLA, f"\x1b[2J/{CLIP}", "[]", instead_of=CLIP), "prepare",
        "all_sqe.zip: unsafe path '\\x1b[2J/all_sqe/a01_s01_e00_v01.json'",
    ),
    "a clip too few": Case(
        "nw_ucla", zipped(NW_UCLA, CLIP, None), "download",
        "all_sqe.zip ... holds 1483 clips; must be 1484",
    ),
    "a clip too many": Case(
        "nw_ucla", zipped(NW_UCLA, "all_sqe/a01_s01_e99_v01.json", "{}"), "download",
        "all_sqe.zip ... holds 1485 clips; must be 1484",
    ),
    "a training clip of another name": Case(
        "nw_ucla", zipped(NW_UCLA, "all_sqe/a12_s99_e00_v01.json", nw_ucla_clip(10), CLIP),
        "prepare", "all_sqe.zip: the clip a01_s01_e00_v01 is missing; must hold the 1020 clips",
    ),
    "a training clip more, a test clip less": Case(
        "nw_ucla",
        zipped(NW_UCLA, "all_sqe/a12_s99_e00_v01.json", nw_ucla_clip(10), TEST_CLIP),
        "prepare", "all_sqe.zip: the clip a12_s99_e00_v01 is unknown; must hold the 1020 clips",
    ),
    "a clip that is there twice": Case(
        "nw_ucla", zipped(NW_UCLA, "again/a01_s01_e00_v02.json", nw_ucla_clip(1), TEST_CLIP),
        "prepare",
        "nw_ucla: two clips are named 'a01_s01_e00_v02'; names must be unique",
    ),
    "a clip of 19 joints": Case(
        "nw_ucla", changed_clip(nw_ucla_clip(1, (4, 19, 3))), "prepare",
        f"{CLIP}: skeletons of shape (4, 19, 3); must be frames x 20 x 3",
    ),
    "a clip in two dimensions": Case(
        "nw_ucla", changed_clip(nw_ucla_clip(1, (4, 20, 2))), "prepare",
        f"{CLIP}: skeletons of shape (4, 20, 2); must be frames x 20 x 3",
    ),
    "a clip without a frame": Case(
        "nw_ucla", changed_clip(nw_ucla_clip(1, (0, 20, 3))), "prepare",
        f"{CLIP}: skeletons of shape (0,); must be frames x 20 x 3",
    ),
    "label 11": Case(
        "nw_ucla", changed_clip(nw_ucla_clip(11)), "prepare", f"{CLIP}: label 11; must be 1 to 10",
    ),
    "a label beyond all bounds": Case(
        "nw_ucla", changed_clip(nw_ucla_clip(1).replace('"label": 1', '"label": 1e999')), "prepare",
        f"{CLIP}: not a clip ... `label` (1 to 10)",
    ),
    "a JSON file cut off": Case(
        "nw_ucla", changed_clip(nw_ucla_clip(1)[:200]), "prepare",
        f"{CLIP}: not a clip ... must be JSON",
    ),
    "a JSON file without end": Case(
        "nw_ucla", changed_clip("[" * 100_000), "prepare", f"{CLIP}: not a clip ... must be JSON",
    ),
    "a fourth view": Case(
        "nw_ucla",
        zipped(NW_UCLA, "all_sqe/a01_s01_e00_v04.json", nw_ucla_clip(1), instead_of=CLIP),
        "prepare", "a01_s01_e00_v04.json: unknown view v04; must be v01, v02 or v03",
    ),
}  # fmt: skip


RAW = Path(f"mirror/{TRAIN[0]}.skeleton")
IN_ZIP = f"nturgb+d_skeletons/{RAW.name}"
REQUEST = "must be fetched by hand: request access at https://rose1.ntu.edu.sg"


def raw(change: Change, stage: str, words: str) -> Case:
    return Case("raw files", change, stage, words)


def raw_zip(change: Change, stage: str, words: str) -> Case:
    return Case("raw zip", change, stage, f"{NTU_ZIP.name}: {words}")


RAW_CASES = {
    "raw: no files and no mirror": raw(
        params("dataset", mirror=None), "download",
        f"{NTU_ZIP.name} {REQUEST} ... put it into a folder and name that folder ... mirror",
    ),
    "raw: no files in the mirror": raw(
        params("dataset", mirror="lists"), "download",
        f"dataset.mirror: lists holds no {NTU_ZIP.name}; ... {REQUEST}",
    ),
    "raw: no mirror of that name": raw(
        params("dataset", mirror="nowhere"), "download", "dataset.mirror: nowhere holds no",
    ),
    "raw: a file's name": raw(
        holds("mirror/S001C002P001.skeleton", ""), "download",
        "S001C002P001.skeleton: not the name of an NTU RGB+D recording; must be like S001C002P003",
    ),
    "raw: a clip twice": raw(
        holds(f"mirror/again/{RAW.name}", ""), "download",
        f"{RAW.name} and {RAW.name}: the same clip; must occur once",
    ),
    "raw: a file cut off": raw(
        is_cut(RAW), "prepare", f"{RAW.name}: line 17: '0.348'; must be a joint's line",
    ),
    "raw: a file cut off between lines": raw(
        holds(RAW, "2\n0\n"), "prepare",
        f"{RAW.name}: ends after line 2, within its frames; must have as many",
    ),
    "raw: an empty file": raw(holds(RAW, ""), "prepare", f"{RAW.name}: is empty; must be a whole"),
    "raw: a page": raw(
        holds(RAW, PAGE), "prepare", f"{RAW.name}: line 1: ... must be the number of frames",
    ),
    "raw: bytes that are no text": raw(
        holds(RAW, b"\xff\xfe\x00\x1b[2J"), "prepare",
        f"{RAW.name}: line 1: ... must be the number",
    ),
    "raw: 24 joints": raw(
        says(RAW, "\n25\n", "\n24\n"), "prepare",
        f"{RAW.name}: line 4: '24'; must be 25, the number of joints",
    ),
    "raw: an action that is not of the dataset": raw(
        lambda root: shutil.copy(root / RAW, root / "mirror/S001C002P001R001A061.skeleton"),
        "prepare", "clip S001C002P001R001A061: label 60; must be 0 to 59",
    ),
    "raw zip cut off": raw_zip(is_cut(NTU_ZIP), "download", "not a whole zip file; download it"),
    "raw zip: a page": raw_zip(holds(NTU_ZIP, PAGE), "download", "not a whole zip file; download"),
    "raw zip: a byte is another": raw_zip(
        says(NTU_ZIP, "-1.#INF", "-2.#INF"), "prepare",
        "nturgb+d_skeletons/S001C00 ... .skeleton: cannot be read (Bad CRC-32",
    ),
    "raw zip: a path that leads out": raw_zip(
        zipped(NTU_ZIP, "../../x.skeleton", ""), "prepare", "unsafe path '../../x.skeleton'",
    ),
    "raw zip: a name of two lines": raw_zip(
        zipped(NTU_ZIP, "one\ntwo.skeleton", ""), "prepare", "unsafe path 'one\\ntwo.skeleton'",
    ),
    "raw zip: a name that is not UTF-8": raw_zip(
        both(zipped(NTU_ZIP, "é.skeleton", ""), says(NTU_ZIP, "é.skeleton", b"\xff\xff.skeleton")),
        "prepare", "not a whole zip file",
    ),
    "raw zip: a name": raw_zip(
        zipped(NTU_ZIP, "readme.skeleton", ""), "prepare", "readme.skeleton: not the name of",
    ),
    "raw zip: a file cut off": raw_zip(
        zipped(NTU_ZIP, IN_ZIP, "3\n1\n"), "prepare", f"{IN_ZIP}: ends after line 2, within its",
    ),
    "raw zip: a clip twice": raw_zip(
        zipped(NTU_ZIP, f"again/{RAW.name}", ""), "prepare",
        f"again/{RAW.name} and {NTU_ZIP.name}: {IN_ZIP}: the same clip; must occur once",
    ),
}  # fmt: skip


CASES = NW_UCLA_CASES | RAW_CASES
