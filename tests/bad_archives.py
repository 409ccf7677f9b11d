"""Mistakes in the zips of other authors' files: cases for test_bad_input.py."""

from pathlib import Path

import numpy as np

from tests.bad_input import PAGE, Case, Change, is_cut, lacks, params, zipped
from tests.worlds import UTD_MHAD, matlab

UTD_CLIP = "a1_s1_t1_skeleton.mat"


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

CASES = UTD_CASES
