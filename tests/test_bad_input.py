"""Faulty raw data, lists and machines: the stages run in a project until one of them stops.

It says in one line what is wrong, where, and what would be right. All earlier files stay as they
were, and nothing is left half written.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest

from brl.clips.store import ClipStore
from brl.datasets.own.checked import RECORD
from brl.datasets.table import source_of
from brl.support.errors import one_line_errors
from brl.support.paths import STORE
from stages import download, prepare, subsample
from tests import bad_archives, bad_own, bad_pickles, bad_raw
from tests.bad_input import OTHER_FILE, params
from tests.web import Answer
from tests.worlds import WORLDS

CASES = bad_raw.CASES | bad_archives.CASES | bad_pickles.CASES | bad_own.CASES
STAGES = {"download": download, "prepare": prepare, "subsample": subsample}
# The files that each stage writes, and those of earlier runs, also of later stages.
OWNED = {
    "download": ("data/raw/",),
    "prepare": ("data/store/", "reports/data.csv", "reports/data_check.csv"),
    "subsample": ("data/subset/", "data/training/", "data/unseen.csv", "reports/long_tail.png"),
}
EARLIER = (
    "data/raw/earlier.txt", "data/store/meta.json", "data/store/index.npz", "data/store/rows.f32",
    "reports/data.csv", "reports/data_check.csv", "data/subset/train.csv", "data/subset/counts.csv",
    "data/subset/summary.json", "reports/long_tail.png", "models/joint.safetensors",
    "scores/joint.npz", "fused/scores.npz", "reports/metrics.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Callable[[str], Path]:
    """Returns the folder of a world, which is written once."""
    folder = tmp_path_factory.mktemp("worlds")

    def written(name: str) -> Path:
        if not (folder / name).exists():
            (folder / name).mkdir()
            WORLDS[name].write(folder / name)
        return folder / name

    return written


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """The project's folder, with the files of earlier runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    for name in EARLIER:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name} of an earlier run")
    (tmp_path / "checksums.json").write_text(json.dumps(OTHER_FILE))
    return tmp_path


def run_stages() -> list[str]:
    """Runs the stages until one stops; returns those that passed.

    Threads replace processes, which would keep the working folder of the first test.
    """
    passed = []
    with joblib.parallel_config(backend="threading"):
        for name, stage in STAGES.items():
            try:
                with one_line_errors():
                    stage.main()
            except SystemExit as end:
                assert end.code == 1
                break
            passed.append(name)
    return passed


def files(root: Path) -> dict[str, bytes]:
    assert not list(root.rglob("*.partial*"))
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def complaints(warned: pytest.WarningsRecorder) -> list[str]:
    """The warnings that Python would have printed, as further lines."""
    unseen = (DeprecationWarning, PendingDeprecationWarning, ResourceWarning)
    return [str(each.message) for each in warned if not issubclass(each.category, unseen)]


def check_untouched(before: dict[str, bytes], after: dict[str, bytes], passed: list[str]) -> None:
    """Only the files of the stages that passed, and the records of files, have changed.

    Where one of several raw files is faulty, the complete files before it may be there.
    """
    owned = tuple(each for stage in passed for each in OWNED[stage])
    given = {before[path] for path in before if path.startswith(("mirror/", "own/"))}
    for path in before | after:
        if before.get(path) == after.get(path) or path.startswith(owned):
            continue
        if path == "checksums.json":
            entries = json.loads(after[path])
            assert entries.pop("other.zip") == OTHER_FILE["other.zip"]
            whole = {hashlib.sha256(content).hexdigest() for content in given}
            assert {entry["sha256"] for entry in entries.values()} <= whole
        elif path == str(RECORD):
            assert json.loads(after[path])["files"].keys() <= {Path(each).name for each in before}
        else:
            assert not passed and path.startswith("data/raw/"), f"{path} is not as it was"
            assert after.get(path) in given, f"{path} is not whole"


@pytest.mark.parametrize("name", WORLDS)
def test_every_unchanged_world_passes(world, root, capfd, recwarn, name):
    shutil.copytree(world(name), root, dirs_exist_ok=True)
    before = files(root)
    assert run_stages() == list(STAGES)
    assert capfd.readouterr().err == ""
    assert complaints(recwarn) == []
    check_untouched(before, files(root), list(STAGES))
    store, of_world = ClipStore.open(STORE), WORLDS[name]
    contents = source_of(of_world.name).contents(of_world.mirror)
    assert contents == (store.layout, tuple(store.classes))


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_stops_in_one_line_and_changes_nothing(
    world, root, server, capfd, monkeypatch, recwarn, name
):
    case = CASES[name]
    shutil.copytree(world(case.world), root, dirs_exist_ok=True)
    case.change(root)
    if isinstance(case.machine, Answer):
        server.play(case.machine)
        params("dataset", mirror=server.url)(root)
    elif case.machine:
        case.machine(monkeypatch)
    before = files(root)

    passed = run_stages()
    assert [*passed, case.stage] == list(STAGES)[: len(passed) + 1]

    error = capfd.readouterr().err
    assert error.startswith("error: ") and error.endswith("\n")
    assert error[:-1].isprintable()  # neither further lines nor control characters
    position = 0
    for words in case.says.split(" ... "):
        position = error.find(words, position)
        assert position >= 0, f"{words!r} is not in {error!r}"
    assert complaints(recwarn) == []
    check_untouched(before, files(root), passed)
