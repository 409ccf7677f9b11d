"""The work of a comparison, shared among the processes that compute it.

A process computes `jobs` tasks at a time. Several calls of `brl compare` in one folder share what
they have in common: each task is of the process that has its lock.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import torch

from brl.comparison.data import unfinished_checkpoint
from brl.comparison.made import Code
from brl.comparison.plan import Run
from brl.support.errors import UserError, in_words
from brl.support.launchers import end_with
from brl.support.locks import Lock
from brl.support.processes import use_one_thread
from brl.support.progress import keep_quiet, progress

Work = Callable[[list[Run], str, dict[str, Code]], list[str]]
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True, eq=False)
class Task:
    """Work on a group of runs, which one process does.

    work   returns a line for each result; does nothing that is done already
    key    names what it makes
    ready  whether all is there that it starts from
    """

    work: Work
    group: list[Run]
    key: str
    ready: Callable[[], bool]

    @property
    def file(self) -> Path:
        """The file whose lock its process has."""
        return unfinished_checkpoint(self.key)

    @property
    def title(self) -> str:
        """Names it in messages."""
        return self.group[0].title


def share(tasks: list[Task], name: str, present: dict[str, Code], jobs: int) -> Iterator[str]:
    """Does tasks, those of one kind after those of another; yields a message for each failure.

    Tasks that other processes do come last: by then they are done, or else this process waits, and
    goes on with what a process leaves that fails or is killed. Tasks that do not get ready, since
    others failed, are left out.
    """
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
        for task, failure in _done(alike, name, present, jobs):
            pending.remove(task)
            if failure:
                yield failure


def _done(
    tasks: list[Task], name: str, present: dict[str, Code], jobs: int
) -> Iterator[tuple[Task, str]]:
    """Does tasks in a pool of processes; yields those that it has done or that failed.

    With each comes the message of its failure, empty if there is none. Tasks that other processes
    have taken are not among them.
    """
    context = get_context("spawn")
    begun = context.Value("i", 0)
    workers = min(jobs, len(tasks))
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(begun, os.getpid())
    )
    # Ctrl-C reaches the workers too. They inherit the handler that ignores it, stay silent, and
    # are terminated below.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    started = {
        pool.submit(_unless_taken, each.file, each.work, each.group, name, present): each
        for each in tasks
    }
    signal.signal(signal.SIGINT, handler)
    bar = progress(as_completed(started), "trainings", total=len(started))
    try:
        for future in bar:
            task, failure = started[future], ""
            try:
                lines = future.result()
            except BrokenProcessPool as error:
                raise UserError(
                    "a training's process was killed, perhaps because memory ran out; "
                    "try fewer --jobs"
                ) from error
            except Exception as error:
                if not isinstance(error, UserError | OSError):
                    traceback.print_exception(error)
                failure = f"{task.title}: {in_words(error)}"
                lines = [failure]
            if lines is not None:
                bar.write("\n".join(lines), file=sys.stderr)
                yield task, failure
    except BaseException:
        for worker in active_children():
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(begun: "Synchronized[int]", launcher: int) -> None:
    """Initialises a worker, which shares terminal, cores and GPUs with the other ones.

    begun: the number of workers that have started before it. launcher: the id of the process whose
    worker it is.
    """
    end_with(launcher)
    keep_quiet()
    with begun.get_lock():
        number = begun.value
        begun.value += 1
    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())
    use_one_thread()


def _unless_taken(
    file: Path, work: Work, group: list[Run], name: str, present: dict[str, Code]
) -> list[str] | None:
    """Does the work while it has the lock of a file; None if another process has it."""
    lock = Lock(file)
    if not lock.take():
        return None
    try:
        return work(group, name, present)
    finally:
        lock.give_back()
