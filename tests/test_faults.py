"""Every stage and command is all or nothing: a disk fails at each of their writes.

An ordinary run of the tests fails a few writes of light stages; `make test-faults` fails all.
"""

import errno
import importlib
import os
import pkgutil
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from brl.clips.layouts import LAYOUTS
from brl.commands.main import commands
from brl.config.presets import edit_params
from brl.support.errors import NotWritten, one_line_errors
from brl.support.stage import stage
from brl.training.checkpoint_file import BEFORE, kept, read_checkpoint, write_checkpoint
from brl.training.loop import train_stream
from tests.comparing import compute_here
from tests.faults import ERRORS, FailingDisk, contents, failing, restore
from tests.moving import moving_body
from tests.own_data import write_stick_figures
from tests.project import HERE, SMALL
from tests.tiny import job

LINKED = ("brl", "stages", "presets", "lists", "dvc.yaml")
STAGES = (
    "download", "own", "prepare", "pictures", "subsample", "networks", "pretrain", "train", "folds",
    "classify", "unseen", "predict", "ensemble", "evaluate",
)  # fmt: skip
OF_STREAMS = ("pretrain", "train", "folds", "classify", "unseen", "predict")
SETTINGS = SMALL | {
    "dataset.name": "custom",
    "dataset.split": "default",
    "subsample.max_per_class": 6,
    "model.blocks": [1],
    "pretrain.kind": "masked",
    "pretrain.epochs": 1,
    "pretrain.batch_size": 4,
    "train.epochs": 2,
    "classifier.kind": "tau_normalised",
    "ensemble.kind": "stacked",
    "ensemble.folds": 2,
}


def new_project(folder: Path) -> None:
    """A project of own clips with one stream, which is the current folder."""
    folder.mkdir()
    for name in LINKED:
        (folder / name).symlink_to(HERE / name)
    content = yaml.safe_load((HERE / "params.yaml").read_text())
    content["streams"] = {"joint": content["streams"]["joint"]}
    for name, value in SETTINGS.items():
        section, key = name.split(".")
        content[section][key] = value
    content["dataset"]["mirror"] = str(folder / "mirror")
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (folder / "own").mkdir()
    write_stick_figures(folder / "mirror", clips=24)


def run(name: str) -> None:
    """Runs a stage as its script does."""
    arguments = ["joint"] if name in OF_STREAMS else []
    script = importlib.import_module(f"stages.{name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{name}.py", *arguments])
        with stage():
            script.main(*arguments)


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    """Nothing is recorded, and recordings are read in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRL_TRACKING", "off")
        patch.setattr("brl.datasets.prepare.in_parallel", map)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A project in which all stages have run."""
    folder = tmp_path_factory.mktemp("faults") / "project"
    new_project(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DVC_ROOT", str(folder))
        for name in STAGES:
            run(name)
    return folder


@pytest.fixture
def project_files(tmp_path, monkeypatch) -> Path:
    """The settings of a project, the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").symlink_to(HERE / "presets")
    shutil.copy(HERE / "params.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def project(finished, monkeypatch) -> Iterator[Path]:
    """The same project for each test."""
    monkeypatch.chdir(finished)
    monkeypatch.setenv("DVC_ROOT", str(finished))
    before = contents(finished)
    yield finished
    restore(finished, before)


def endings(
    work: Callable[[], None],
    root: Path,
    code: int,
    numbers: Iterator[int],
    remade: Path | None = None,
) -> int:
    """Fails these writes of some work, one in each run; returns how many were failed.

    Asserts that each run ends with one line, and that each file is then as it was or as the whole
    work leaves it. remade: a folder of reports on whatever could be computed.
    """
    before = contents(root)
    work()
    after = contents(root)
    failures = 0
    for number in numbers:
        restore(root, before)
        with failing(FailingDisk(root, number, code)) as disk:
            ended, told = outcome(work)
        if disk.failed is None:
            break
        failures += 1
        kind, path = disk.failed
        what = f"{kind} of {path}, number {number}, {errno.errorcode[code]}: {told}"
        present = contents(root)
        if ended == 0:  # it was dispensable, or done in another way
            assert without_checkpoints(present) == without_checkpoints(after), what
        else:
            *steps, last = told.splitlines()
            assert ended == 1 and last.startswith("error: "), what
            assert os.strerror(code) in last and "; " in last and "[Errno" not in last, what
            assert not [line for line in steps if line.startswith(("error", "Traceback"))], what
        for file in without_checkpoints(present | before | after):
            if remade and file.is_relative_to(remade):
                continue
            assert present.get(file) in (before.get(file), after.get(file)), (file, what)
        assert not list(root.rglob(".*.partial*")), what
    restore(root, before)
    return failures


def without_checkpoints(files: dict[Path, bytes]) -> dict[Path, bytes]:
    """Files without the checkpoints, from which a training resumes, and what it notes of itself."""
    others = (".pt", BEFORE, ".made")
    return {file: content for file, content in files.items() if file.suffix not in others}


def brl_command(*words: str) -> None:
    """Runs a command of `brl`; what it prints is no error's."""
    with redirect_stdout(StringIO()):
        commands(words, prog_name="brl", standalone_mode=False)


def take_weights(content: dict[str, Any]) -> None:
    """Sets a checkpoint in params.yaml."""
    content["streams"]["joint"]["weights"] = {"file": "joint.pth", "sha256": "0" * 64}
    content["ensemble"].update(kind="weighted", folds=0)


def save_recordings(root: Path) -> None:
    """Recordings of two classes in `recordings`."""
    for number, word in enumerate(("wave", "point")):
        (root / "recordings" / word).mkdir(parents=True)
        body = moving_body(LAYOUTS["nw_ucla20"], number, frames=6)
        np.save(root / "recordings" / word / "take.npy", body)


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that computes its result in its first call only."""
    results: list[Any] = []

    def call(*arguments: Any, **named: Any) -> Any:
        if not results:
            results.append(function(*arguments, **named))
        return results[0]

    return call


def outcome(work: Callable[[], None]) -> tuple[int, str]:
    """The exit code of some work, and what it says on stderr."""
    said = StringIO()
    with redirect_stderr(said):
        try:
            with one_line_errors():
                work()
        except SystemExit as ended:
            return int(ended.code or 0), said.getvalue()
    return 0, said.getvalue()


def test_light_stages_are_all_or_nothing(tmp_path, monkeypatch):
    project = tmp_path / "project"
    new_project(project)
    monkeypatch.chdir(project)
    monkeypatch.setenv("DVC_ROOT", str(project))
    for name in ("download", "pictures", "networks"):
        assert endings(partial(run, name), project, errno.ENOSPC, iter(range(1, 20, 4))) > 3
        run(name)  # for the next one


@pytest.mark.faults
@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("name", STAGES)
def test_every_write_of_every_stage(project, name, code, figure):
    failed = endings(partial(run, name), project, code, count(1))
    figure("writes failed", failed)
    assert failed > 3


def test_a_preset_is_all_or_nothing(project_files):
    work = partial(brl_command, "preset", "nw_ucla")
    assert endings(work, project_files, errno.ENOSPC, iter(range(1, 20, 2))) > 3


def test_new_data_are_all_or_nothing(tmp_path, monkeypatch):
    """A description without a list would be refused by the next try."""
    monkeypatch.chdir(tmp_path)
    save_recordings(tmp_path)
    work = partial(brl_command, "data", "new", "recordings")
    assert endings(work, tmp_path, errno.ENOSPC, iter(range(1, 20, 2))) > 5


@pytest.mark.faults
@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize(
    "words",
    ["preset nw_ucla", "weights joint none", "export a.onnx", "export a.pt2", "release"],
)
def test_every_write_of_commands(project, monkeypatch, words, code, figure):
    for place in ("torch.export.export", "torch.onnx.export"):  # they take seconds
        monkeypatch.setattr(place, once(pkgutil.resolve_name(place)))
    monkeypatch.setattr("brl.serving.export.largest_difference", lambda *_: 0.0)
    monkeypatch.setattr("brl.commands.release.check_up_to_date", lambda: None)
    if words.startswith("weights"):
        edit_params(Path("params.yaml"), take_weights)
    failed = endings(partial(brl_command, *words.split()), project, code, count(1))
    figure("writes failed", failed)
    assert failed > 3


@pytest.mark.faults
@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_every_write_of_new_data(tmp_path, monkeypatch, code, figure):
    monkeypatch.chdir(tmp_path)
    save_recordings(tmp_path)
    failed = endings(partial(brl_command, "data", "new", "recordings"), tmp_path, code, count(1))
    figure("writes failed", failed)
    assert failed > 5


@pytest.mark.faults
@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_every_write_of_a_comparison(grid, monkeypatch, code, figure):
    """Finished runs are kept, and the next call resumes from them."""
    compute_here(monkeypatch)
    monkeypatch.setattr("time.process_time", lambda: 0.0)  # which it notes
    work = partial(brl_command, "compare", "tiny")
    reports = grid.folder / "reports/comparisons"
    failed = endings(work, grid.folder, code, count(1), remade=reports)
    figure("writes failed", failed)
    assert failed > 10


def test_a_training_goes_on_where_no_checkpoint_can_be_written(store, subset, tmp_path, capsys):
    short = job(blocks=[1], epochs=2, passes=1)
    trained, _ = train_stream(short, store, subset, tmp_path / "whole" / "a.pt")
    with failing(FailingDisk(tmp_path / "full", 1, errno.ENOSPC, lasting=True)):
        other, _ = train_stream(short, store, subset, tmp_path / "full" / "a.pt")
    for name, tensor in trained.model.state_dict().items():
        assert torch.equal(tensor, other.model.state_dict()[name])
    told = capsys.readouterr().err
    assert told.startswith("warning: ") and told.count("\n") == 1
    assert "a.pt: not written: No space left on device; the training goes on" in told


def test_the_older_checkpoint_makes_room_for_a_new_one(tmp_path):
    path = tmp_path / "a.pt"
    for epoch in (1, 2):
        write_checkpoint(path, {"epoch": epoch})
    with failing(FailingDisk(tmp_path, 4, errno.ENOSPC)) as disk:
        write_checkpoint(path, {"epoch": 3})
    assert disk.failed is not None
    assert [read_checkpoint(file)["epoch"] for file in kept(path)] == [3, 2]
    with failing(FailingDisk(tmp_path, 1, errno.ENOSPC, lasting=True)), pytest.raises(NotWritten):
        write_checkpoint(path, {"epoch": 4})
    assert [read_checkpoint(file)["epoch"] for file in kept(path)] == [3]
