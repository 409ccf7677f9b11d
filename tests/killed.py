"""Commands that are killed at moments drawn by a seed, and an undisturbed run to compare with."""

import compileall
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
import yaml
from filelock import FileLock

from tests.project import BRL, SMALL, Project
from tests.test_jobs import until
from tests.test_jobs_dvc import new_project

KILLING = Path(__file__).parent / "killing"
STREAMS = ("joint", "skip")
EPOCHS = 3
# Every stage has something to do.
WORK = SMALL | {
    "train.epochs": EPOCHS,
    "train.passes": 2,
    "pretrain.kind": "masked",
    "pretrain.epochs": EPOCHS,
    "pretrain.batch_size": 4,
    "ensemble.kind": "stacked",
    "ensemble.folds": 2,
    "classifier.kind": "logit_adjustment",
}
COMPARISON = {
    "preset": "synthetic",
    "seeds": [0],
    "settings": {"ensemble.kind": "weighted", "ensemble.folds": 0},
    "reference": "cross_entropy",
    "without_classes": [],
    "methods": {name: {"streams": ["joint"]} for name in ("cross_entropy", "mixup")},
}
RESULTS = (
    "data", "pretrained", "models", "curves", "folds", "classifiers", "unseen", "scores", "fused",
    "reports", ".comparison/pretrained", ".comparison/trained", ".comparison/scores",
)  # fmt: skip
# Processor times, what saves the check of own clips, and what a killed DVC leaves for good.
TIMES = ("*.made", "tiny/README.md", "tiny/results.csv", "tiny/scores.npz")
NO_RESULTS = (*TIMES, "data/checked.json", ".*.tmp")
BLOCKED_SECONDS = 300.0
STAGES = (
    "download", "own", "prepare", "pictures", "subsample", "networks", "pretrain@joint",
    "train@joint", "folds@joint", "classify@joint", "unseen@joint", "predict@joint", "ensemble",
    "evaluate",
)  # fmt: skip
OF_SKIP = tuple(name.replace("joint", "skip") for name in STAGES if "@" in name)


def dvc(*stages: str) -> tuple[str, ...]:
    """The command that runs stages alone, whether they have changed or not."""
    return (sys.executable, "-m", "brl.commands.dvc", "repro", "-f", "-s", *stages)


@dataclass(frozen=True)
class Measured:
    """An undisturbed command: its time, and the file operations of each kind of program."""

    seconds: float
    operations: dict[str, int]

    def moment(self, name: str, number: int) -> "Moment":
        """The moment of the kill of this number; every third is a share of the time."""
        draws = random.Random(f"{name} {number}")
        if number % 3 == 0:
            return Moment(seconds=draws.uniform(0.05, 0.95) * self.seconds)
        victim = draws.choice(sorted(self.operations))
        operation = draws.randint(1, self.operations[victim])
        return Moment(0.0, victim, operation, draws.choice(("process", "group")))


@dataclass(frozen=True)
class Moment:
    """When a command is killed: after a time, or before a file operation of one of its programs.

    whom  `process`: that program alone; `group`: with its process group
    """

    seconds: float
    victim: str = "nobody"
    operation: int = 0
    whom: str = "group"

    @property
    def earlier(self) -> "Moment":
        """Half of the way to it: a command may be faster than the one that was measured."""
        return replace(self, seconds=self.seconds / 2, operation=max(1, self.operation // 2))


class Killed:
    """A project whose commands are killed; all that they start carries its name."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.counts = folder.with_name(f"{folder.name}.counts")
        self._variables = variables

    @classmethod
    def copied(cls, reference: "Killed", folder: Path, **variables: str) -> "Killed":
        """A copy of a project, in which nothing is shared with it."""
        shutil.copytree(reference.folder, folder, symlinks=True)
        return cls(folder, **variables)

    def start(self, command: tuple[str, ...], moment: Moment) -> "subprocess.Popen[str]":
        """Starts a command, which is killed before a file operation if `moment` names one."""
        shutil.rmtree(self.counts, ignore_errors=True)
        self.counts.mkdir()
        outside = {
            name: text for name, text in os.environ.items() if name[:4] not in ("BRL_", "DVC_")
        }
        outside.pop("MLFLOW_TRACKING_URI", None)
        ours = {
            "DVC_ROOT": str(self.folder),
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(KILLING),
            "FAULT_FOLDER": str(self.folder),
            "FAULT_COUNTS": str(self.counts),
            "FAULT_AT": f"{moment.victim} {moment.operation} {moment.whom}",
        }
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=outside | ours | self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def measure(self, *command: str) -> Measured:
        """Runs a command to its end, undisturbed."""
        begun = time.monotonic()
        process = self.start(command, Moment(0.0))
        output, _ = process.communicate(timeout=BLOCKED_SECONDS)
        assert process.returncode == 0, output
        counts = {path.name: path.stat().st_size for path in self.counts.iterdir()}
        operations = {name: count for name, count in counts.items() if count}
        return Measured(time.monotonic() - begun, operations)

    def kill(self, moment: Moment, *command: str) -> None:
        """Runs a command, kills it at a moment, and sees that nothing of it goes on.

        It may end well: where a worker of `brl compare` is killed alone, another one goes on.
        """
        with self.start(command, moment) as process:
            try:
                process.communicate(timeout=moment.seconds or BLOCKED_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                assert moment.seconds, f"{command} blocks"
        until(lambda: not self.processes(), seconds=30)
        if process.returncode == 0 and not self._came(moment):
            assert moment != moment.earlier, f"{moment} never comes"
            self.kill(moment.earlier, *command)

    def _came(self, moment: Moment) -> bool:
        """Whether the program came to the file operation of a moment."""
        counted = self.counts / moment.victim
        return counted.exists() and counted.stat().st_size >= moment.operation > 0

    def processes(self) -> list[psutil.Process]:
        """All that runs for this project, found by its environment."""
        return list(self._processes())

    def _processes(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            try:
                of = process.environ().get("FAULT_FOLDER")
            except psutil.Error:
                continue
            if of == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                yield process

    def results(self) -> dict[str, bytes]:
        """The content of all results, by their paths."""
        files = [file for name in RESULTS for file in (self.folder / name).rglob("*")]
        return {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in files
            if file.is_file() and not any(map(file.match, NO_RESULTS))
        }

    def lock(self) -> dict:
        """What DVC noted of all stages."""
        return yaml.safe_load((self.folder / "dvc.lock").read_text(encoding="utf-8"))

    def unfinished(self) -> list[Path]:
        """Files that were left half written."""
        return list(self.folder.rglob("*.partial*"))


def assert_same(project: Killed, expected: Killed) -> None:
    """The results are those of an undisturbed run, byte for byte, and nothing else is left."""
    results, whole = project.results(), expected.results()
    names = sorted(results.keys() | whole.keys())
    others = [name for name in names if results.get(name) != whole.get(name)]
    assert not others, others
    assert project.lock() == expected.lock()
    left = [*project.unfinished(), *(project.folder / ".checkpoints").iterdir()]
    assert not left, left


RUNS = """
    select run_uuid, status, artifact_uri,
        (select value from tags where tags.run_uuid = runs.run_uuid and key = 'kind'),
        (select value from tags where tags.run_uuid = runs.run_uuid and key = 'result.digest'),
        (select value from tags where tags.run_uuid = runs.run_uuid and key = 'training.digest')
    from runs where lifecycle_stage = 'active'
"""
CURVE = "select step from metrics where run_uuid = ? and key = 'train/loss' order by step"
AGAIN = """
    select run_uuid, key, step from metrics where key in ('train/loss', 'train/lr', 'train/steps')
    group by run_uuid, key, step having count(*) > 1
"""


def finished_runs(database: Path) -> list[tuple[str, ...]]:
    """The kinds and results of the finished runs in a store; all of these are whole.

    A run that is not finished belongs to a process that was killed.
    """
    with closing(sqlite3.connect(database)) as store:
        assert store.execute("pragma integrity_check").fetchone() == ("ok",)
        assert store.execute(AGAIN).fetchall() == [], "an epoch was logged twice"
        found = []
        for run, status, artifacts, kind, result, training in store.execute(RUNS).fetchall():
            assert status in ("FINISHED", "RUNNING")
            if status == "RUNNING":
                assert result is None
                continue
            if kind != "pipeline":
                steps = [step for (step,) in store.execute(CURVE, (run,))]
                # Of a stream whose last layer was changed, another run has the training.
                assert steps == (list(range(1, EPOCHS + 1)) if training else [])
                folder = Path(artifacts.removeprefix("file://"))
                assert [file for file in folder.rglob("*") if file.stat().st_size]
            found.append((kind, result or ""))
    results = [result for _, result in found if result]
    assert len(results) == len(set(results)), "a result was recorded twice"
    return sorted(found)


def built(folder: Path) -> tuple[Killed, dict[str, Measured]]:
    """A project whose whole pipeline has run undisturbed, stage by stage, with its measures.

    The processes of pytest share it: the first one builds it.
    """
    project, notes = Killed(folder / "reference"), folder / "measured.json"
    with FileLock(folder / "reference.lock"):
        if not notes.exists():
            made = new_project(project.folder)
            made.keep_streams(*STREAMS)
            made.edit(WORK)
            write_comparison(made)
            compileall.compile_dir(project.folder, quiet=1)
            project.measure(*BRL, "check")
            measured = {}
            for stage in STAGES:
                measured[stage] = project.measure(*dvc(stage))
                if stage == "predict@joint":
                    project.measure(*dvc(*OF_SKIP))
            notes.write_text(json.dumps({name: asdict(each) for name, each in measured.items()}))
    content = json.loads(notes.read_text())
    return project, {name: Measured(**each) for name, each in content.items()}


def write_comparison(project: Project) -> None:
    """Writes comparisons/tiny.yaml, and the preset that it begins with, which has no base."""
    shutil.copy(project.folder / "params.yaml", project.folder / "presets/synthetic.yaml")
    (project.folder / "comparisons").mkdir()
    (project.folder / "comparisons/tiny.yaml").write_text(yaml.safe_dump(COMPARISON))
