"""Mistakes in the zips of other authors' files: cases for test_bad_input.py."""

from pathlib import Path

import numpy as np

from tests.bad_input import PAGE, Case, Change, is_cut, lacks, params, zipped
from tests.worlds import MSR_ACTION3D, PENN_ACTION, UTD_MHAD, matlab, penn_clip

UTD_CLIP = "a1_s1_t1_skeleton.mat"
MSR_CLIP = "MSR/a01_s01_e01_skeleton3D.txt"
PENN_CLIP = "labels/0001.mat"


def in_zip(world: str, archive: Path, clip: str, content: str | bytes, words: str) -> Case:
    """A clip with this content, which `prepare` refuses."""
    change = zipped(archive, clip, content)
    return Case(world, change, "prepare", f"{archive.name}: {clip}: {words}")


def utd(content: str | bytes, words: str) -> Case:
    return in_zip("utd_mhad", UTD_MHAD, UTD_CLIP, content, words)


def renamed(name: str) -> Change:
    return zipped(UTD_MHAD, name, matlab(d_skel=np.ones((20, 3, 2))), instead_of=UTD_CLIP)


UTD_CASES = {
    "UTD: no archive": Case(
        "utd_mhad", lacks(UTD_MHAD), "download", "mirror holds no utd_mhad_skeleton.zip; it must be"
    ),
    "UTD: archive cut off": Case(
        "utd_mhad", is_cut(UTD_MHAD), "download", "utd_mhad_skeleton.zip ... not a whole zip file"
    ),
    "UTD: a clip is missing": Case(
        "utd_mhad", zipped(UTD_MHAD, UTD_CLIP, None), "download", "holds 860 clips; must be 861"
    ),
    "UTD: a clip of a ninth subject": Case(
        "utd_mhad", renamed("a1_s9_t1_skeleton.mat"), "download", "holds 860 clips; must be 861"
    ),
    "UTD: a clip of a 28th action": Case(
        "utd_mhad", renamed("a28_s1_t1_skeleton.mat"), "prepare",
        "clip a28_s1_t1: label 27; must be 0 to 26",
    ),
    "UTD: another split": Case(
        "utd_mhad", params("dataset", split="cross_view"), "download",
        "dataset.split: utd_mhad has no split 'cross_view'; known: xsub",
    ),
    "UTD: a page": utd(PAGE, "not a whole MATLAB file"),
    "UTD: an empty file": utd("", "not a whole MATLAB file"),
    "UTD: a file cut off": utd(
        matlab(d_skel=np.ones((20, 3, 50)))[:2000], "not a whole MATLAB file"
    ),
    "UTD: a later format": utd(
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400), "not a whole MATLAB file"
    ),
    "UTD: no skeletons": utd(
        matlab(d_depth=np.ones((20, 3, 2))), "has no variable d_skel; needs d_skel"
    ),
    "UTD: 19 joints": utd(
        matlab(d_skel=np.ones((19, 3, 2))),
        "d_skel: an array of 19 x 3 x 2; must be an array of numbers, 20 x 3 x frames",
    ),
    "UTD: no frame": utd(matlab(d_skel=np.ones((20, 3, 0))), "d_skel: an array of 20 x 3 x 0"),
    "UTD: four axes": utd(matlab(d_skel=np.ones((20, 3, 2, 2))), "d_skel: an array of 20 x 3 x 2"),
    "UTD: text": utd(matlab(d_skel="a"), "d_skel: text; must be an array"),
    "UTD: complex numbers": utd(
        matlab(d_skel=np.ones((20, 3, 2)) * 1j), "d_skel: neither numbers nor text; must be"
    ),
    "UTD: a structure": utd(matlab(d_skel={"x": np.ones(2)}), "d_skel: neither numbers nor text"),
}  # fmt: skip


def msr(content: str | bytes, words: str) -> Case:
    return in_zip("msr_action3d", MSR_ACTION3D, MSR_CLIP, content, words)


MSR_CASES = {
    "MSR: no mirror": Case(
        "msr_action3d", params("dataset", mirror=None), "download",
        "msr_action3d.zip must be fetched by hand: a zip of the 567 files ... dataset.mirror",
    ),
    "MSR: no archive": Case(
        "msr_action3d", lacks(MSR_ACTION3D), "download",
        "dataset.mirror: mirror holds no msr_action3d.zip; ... a zip of the 567 files",
    ),
    "MSR: archive cut off": Case(
        "msr_action3d", is_cut(MSR_ACTION3D), "download", "msr_action3d.zip ... not a whole zip"
    ),
    "MSR: a clip is missing": Case(
        "msr_action3d", zipped(MSR_ACTION3D, MSR_CLIP, None), "download",
        "holds 566 clips; must be 567",
    ),
    "MSR: a page": msr(PAGE, "not a clip ... must be text with 20 lines per frame"),
    "MSR: an empty file": msr("", "holds no frame"),
    "MSR: 19 joints": msr("1 2 3 1\n" * 19, "not a clip ... must be text with 20 lines per frame"),
    "MSR: a coordinate is missing": msr(
        "1 2 3 1\n" * 19 + "1 2 3\n", "not a clip ... must be text with 20 lines per frame"
    ),
    "MSR: no number": msr("1 2 3 x\n" * 20, "not a clip ... could not convert"),
    "MSR: bytes that are no text": msr(b"\xff \x00 3 1\n" * 20, "not a clip"),
    "MSR: a 21st action": Case(
        "msr_action3d",
        zipped(
            MSR_ACTION3D, "MSR/a21_s01_e01_skeleton3D.txt", "1 2 3 1\n" * 20, instead_of=MSR_CLIP
        ),
        "prepare", "clip a21_s01_e01: label 20; must be 0 to 19",
    ),
}  # fmt: skip


def penn(words: str, **changes: object) -> Case:
    return in_zip("penn_action", PENN_ACTION, PENN_CLIP, penn_clip(**changes), words)


PENN_CASES = {
    "Penn: no mirror": Case(
        "penn_action", params("dataset", mirror=None), "download",
        "penn_action_labels.zip must be fetched by hand: a zip of the folder labels",
    ),
    "Penn: archive cut off": Case(
        "penn_action", is_cut(PENN_ACTION), "download", "penn_action_labels.zip ... not a whole zip"
    ),
    "Penn: a clip is missing": Case(
        "penn_action", zipped(PENN_ACTION, PENN_CLIP, None), "download",
        "holds 2325 clips; must be 2326",
    ),
    "Penn: a clip twice": Case(
        "penn_action",
        zipped(PENN_ACTION, "more/0002.mat", penn_clip(), instead_of=PENN_CLIP),
        "prepare", "penn_action: two clips are named '0002'",
    ),
    "Penn: a page": in_zip(
        "penn_action", PENN_ACTION, PENN_CLIP, PAGE, "not a whole MATLAB file of version 5 to 7"
    ),
    "Penn: another action": penn("action: 'dance'; must be one of baseball pitch", action="dance"),
    "Penn: an action's number": penn("action: an array of 1 x 1; must be text", action=3),
    "Penn: no visibility": penn("has no variable visibility; needs action, x", visibility=...),
    "Penn: 12 joints": penn(
        "x: an array of 1 x 12; must be an array of numbers, frames x 13", x=np.ones((1, 12))
    ),
    "Penn: fewer y than x": penn(
        "y: an array of 1 x 13; must be an array of numbers, 2 x 13", x=np.ones((2, 13))
    ),
    "Penn: no image": penn("dimensions: 0 x 480; must be the height", dimensions=[0, 480, 1]),
    "Penn: two dimensions": penn("dimensions: an array of 1 x 2", dimensions=[270, 480]),
    "Penn: no part": penn("has no variable train; needs train", train=...),
    "Penn: another part": penn("train: 0; must be 1 (training) or -1 (test)", train=0),
}  # fmt: skip

CASES = UTD_CASES | MSR_CASES | PENN_CASES
