"""The worked examples of docs/own_data.md, run as they stand there, on a few of the clips."""

import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from brl.clips.store import ClipStore
from tests.project import BRL, HERE, SMALL, Project
from tests.reference import shared

EXAMPLES = re.findall(
    r"^```shell\n(.*?)^```", (HERE / "docs/own_data.md").read_text(encoding="utf-8"), re.M | re.S
)
# Of each archive a few clips, of a few classes.
FEW = {
    "utd_mhad_skeleton": lambda names: [n for n in names if re.match(r"a[123]_s[1-4]_t[12]_", n)],
    "penn_action_labels": lambda names: names[1:600:25],
}


def test_the_examples_are_short():
    assert re.findall(r"\w+(?=\.zip)", "".join(EXAMPLES)) == [*FEW]
    assert all(example.count("\n") < 10 for example in EXAMPLES)


def download(archive: str, folder: Path) -> None:
    """Puts a few clips of an archive into a folder, as a zip of the same name."""
    folder.mkdir()
    with (
        zipfile.ZipFile(shared(f"data/{archive}.zip")) as whole,
        zipfile.ZipFile(folder / f"{archive}.zip", "w") as few,
    ):
        for name in FEW[archive](sorted(whole.namelist())):
            few.writestr(name, whole.read(name))


@pytest.mark.slow
@pytest.mark.parametrize("archive", FEW)
def test_an_example_goes_from_the_zip_to_a_report(tmp_path, archive, warm):
    download(archive, tmp_path / "downloads")
    project = Project(tmp_path / "project")
    program = tmp_path / "bin/brl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec python3 {BRL[1]} "{BRL[2]}" "$@"\n')
    program.chmod(0o755)
    variables = os.environ | {
        "HOME": str(tmp_path),
        "PATH": os.pathsep.join(map(str, (program.parent, os.environ["PATH"]))),
        "DVC_ROOT": str(project.folder),
        "BRL_TRACKING": "off",
    }
    (example,) = (example for example in EXAMPLES if archive in example)
    said = ""
    for line in example.splitlines():
        done = subprocess.run(
            ["bash", "-c", line], cwd=project.folder, env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        said += done.stdout
        if line.startswith("brl preset"):
            project.edit(SMALL)
            project.keep_streams("joint")
    assert "To fill in" not in said and "without a test clip" not in said
    store = ClipStore.open(project.folder / "data/store")
    assert len(store.names) == 24 and len(store.classes) >= 3
    assert (project.folder / "reports/index.html").stat().st_size > 10_000
    if archive == "utd_mhad_skeleton":
        assert store.classes == ["swipe left", "swipe right", "wave"]
