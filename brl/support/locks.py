"""Locks: one process at a time does a piece of work.

The kernel holds them, and frees them when their process ends, however it ends.
"""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from brl.support.processes import this_process


class Lock:
    """The lock of a file that one process at a time works on; the file need not exist.

    It is a file NAME.lock beside it, which is there while a process has the lock, or if that
    process was killed.
    """

    def __init__(self, file: Path) -> None:
        self.path = file.with_name(f"{file.name}.lock")
        self._descriptor: int | None = None

    def take(self, *, waits: bool = False) -> bool:
        """Takes the lock; False if another process has it. waits: until that one has ended."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
                if self._is_at_its_path(descriptor):
                    break
            except BlockingIOError:
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # another process has removed it: the next one is at its path
        self._descriptor = descriptor
        with suppress(OSError):  # a full disk: the lock holds, and tells nothing
            os.truncate(descriptor, 0)
            os.write(descriptor, f"{this_process()}\n{datetime.now():%Y-%m-%d %H:%M}".encode())
        return True

    def give_back(self) -> None:
        """Gives the lock to the next process."""
        assert self._descriptor is not None
        try:
            self.path.unlink(missing_ok=True)  # before another process can have it
        finally:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str | None:
        """The process that has the lock, in words; None if it is free."""
        try:
            with self.path.open(encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return self._told()
        return None

    def _told(self) -> str:
        """What the file says of its process: nothing, if that one has just taken the lock."""
        with suppress(FileNotFoundError, ValueError):
            process, since = self.path.read_text(encoding="utf-8").splitlines()
            node, pid, _ = process.rsplit(" ", 2)
            return f"process {pid} on {node}, since {since}"
        return "another process"

    def _is_at_its_path(self, descriptor: int) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        return False


@contextmanager
def alone(work: str, *files: Path) -> Iterator[None]:
    """Runs the block while no other process works on these files; waits for one that does.

    Of the processes that torchrun has started together, the first has the locks for all.

    work: what is done, for the line on stderr that tells of the wait.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK") != "0":
        yield
        return
    with ExitStack() as stack:
        for file in sorted(files):  # in one order, or two processes could wait for each other
            lock = Lock(file)
            if not lock.take():
                holder = lock.holder() or "another process"
                print(f"{work}: {holder} is at it; waits for it", file=sys.stderr)
                lock.take(waits=True)
            stack.callback(lock.give_back)
        yield
