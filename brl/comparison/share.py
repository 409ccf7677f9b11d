"""The work of a comparison, shared among workers and among the processes that compute it.

Workers compute one task each at a time. Several calls of `brl compare` in one folder share what
they have in common: each task is of the process that has its lock.
"""

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from distributed import get_worker

from brl.cluster.start import workers
from brl.cluster.travel import Files, carried, mark, packed, unpack
from brl.cluster.workers import Call, Workers, given_up
from brl.comparison.data import files_named, folder, unfinished_checkpoint
from brl.comparison.made import Code
from brl.comparison.plan import Run
from brl.comparison.proof import Project, prove_same
from brl.support.errors import UserError, in_words, is_of_disk
from brl.support.locks import Lock
from brl.support.processes import use_one_thread
from brl.support.progress import progress
from brl.training.checkpoint_file import remove_checkpoints

Work = Callable[[list[Run], str, dict[str, Code]], list[str]]
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True, eq=False)
class Task:
    """Work on a group of runs, which one process does.

    work   returns a line for each result; does nothing that is done already
    key    names what it makes
    files  the names, without suffix, of all files in .comparison/ that it reads or writes
    ready  whether all is there that it starts from
    """

    work: Work
    group: list[Run]
    key: str
    files: frozenset[str]
    ready: Callable[[], bool]

    @property
    def file(self) -> Path:
        """The file whose lock its process has."""
        return unfinished_checkpoint(self.key)

    @property
    def title(self) -> str:
        """Names it in messages."""
        return self.group[0].title


@dataclass(frozen=True)
class Sent:
    """A task on its way to a worker.

    travels: whether workers may have clones of the project. reads: the files that it starts from,
    as far as they exist, for those that have.
    """

    work: Work
    group: list[Run]
    key: str
    files: frozenset[str]
    travels: bool
    reads: Files


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    lines     a line for each result; None: another process has taken the task
    failure   the message of an error, empty if there is none
    trace     where a bug is; empty for what a user can mend
    worker    the address of the worker whose disk failed, if other workers have other disks
    files     what the worker wrote, if it does not work in the folder of this process
    """

    lines: list[str] | None
    failure: str = ""
    trace: str = ""
    worker: str = ""
    files: Files = field(default_factory=dict)


def share(
    tasks: list[Task], name: str, present: dict[str, Code], jobs: int, cluster: str | None
) -> Iterator[str]:
    """Does tasks, those of one kind after those of another; yields a message for each failure.

    Tasks that other processes do come last: by then they are done, or else this process waits, and
    goes on with what a process leaves that fails or is killed. Tasks that do not get ready, since
    others failed, are left out.

    jobs, cluster: see `brl.cluster.start.workers`.
    """
    if not tasks:
        return
    project = Project.here()
    prove = partial(prove_same, project)
    with (
        mark(folder()) as marked,
        workers(min(jobs, len(tasks)), cluster, project.name, prove) as admitted,
    ):
        pending = list(tasks)
        told: set[Task] = set()
        while ready := [task for task in pending if task.ready()]:
            taken = {task: holder for task in ready if (holder := Lock(task.file).holder())}
            for task in taken.keys() - told:
                print(f"{task.title}: computed by {taken[task]}", file=sys.stderr)
            told |= taken.keys()
            free = [task for task in ready if task not in taken]
            if not free:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                continue
            alike = [task for task in free if task.work is free[0].work]
            rest = (name, present, marked)
            call = partial(_call, rest=rest, suffix=project.name, travels=admitted.are_elsewhere)
            for task, failure in _done(alike, call, admitted):
                pending.remove(task)
                if failure:
                    yield failure


def _call(
    task: Task, rest: tuple[str, dict[str, Code], str], suffix: str, *, travels: bool
) -> Call:
    """The call that does a task; those of equal projects have equal keys."""
    reads = packed(files_named(task.files)) if travels else {}
    sent = Sent(task.work, task.group, task.key, task.files, travels, reads)
    return Call(f"{task.work.__name__}-{task.key}-{suffix}", do_task, (sent, *rest))


def _done(
    tasks: list[Task], call: Callable[[Task], Call], admitted: Workers
) -> Iterator[tuple[Task, str]]:
    """Has workers do tasks; yields those that they have done or that failed.

    With each comes the message of its failure, empty if there is none. Not among them are tasks
    that other processes have taken, and those that failed with the disk of a worker, which gets no
    more: another worker can do them.
    """
    bar = progress(admitted.results(tasks, call), "trainings", total=len(tasks))
    for task, outcome in bar:
        if isinstance(outcome, Exception):
            outcome = Outcome([], failure=given_up(outcome))
        if outcome.lines is None:
            continue
        if outcome.trace:
            print(outcome.trace, file=sys.stderr)
        if outcome.worker:
            admitted.dismiss(outcome.worker, outcome.failure)
            continue
        if outcome.files:  # another worker may have begun it in this folder
            unpack(outcome.files)
            remove_checkpoints(task.file)
        failure = f"{task.title}: {outcome.failure}" if outcome.failure else ""
        bar.write("\n".join([failure] if failure else outcome.lines), file=sys.stderr)
        yield task, failure


def do_task(task: Sent, name: str, present: dict[str, Code], marked: str) -> Outcome:
    """Does a task on a worker.

    marked: the name of a file in the folder of results of the process that wants the task. Where
    it is not there, the worker has a clone of the project, and files travel.
    """
    use_one_thread()
    shares = (folder() / marked).exists()
    checkpoint = unfinished_checkpoint(task.key)
    lock = Lock(checkpoint)
    try:
        if not lock.take(waits=not shares):
            return Outcome(None)
        try:
            with carried(checkpoint) if task.travels else nullcontext():
                if not shares:
                    unpack(task.reads)
                lines = task.work(task.group, name, present)
            if shares:
                return Outcome(lines)
            made = packed(files_named(task.files))
            new = {path: made[path] for path in made if made[path] != task.reads.get(path)}
            return Outcome(lines, files=new)
        finally:
            lock.give_back()
    except (UserError, OSError) as error:
        at_disk = get_worker().address if task.travels and is_of_disk(error) else ""
        return Outcome([], failure=in_words(error), worker=at_disk)
    except Exception as error:
        return Outcome([], failure=str(error), trace="".join(traceback.format_exception(error)))
