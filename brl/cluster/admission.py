"""Workers that compute the same as this process: each proves it before it gets a task."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

from dask.typing import Key
from distributed import Worker, WorkerPlugin

from brl.support.errors import UserError, in_words
from brl.support.launchers import end_with
from brl.support.progress import keep_quiet

Proof = Callable[[], None]


def _do_nothing(*_: Any) -> None:
    """Handles a signal. The programs that a worker starts would inherit that it is ignored."""


class Admission(WorkerPlugin):
    """Gives a worker the Dask resource `name` once a proof passes there.

    Tasks ask for one unit of the resource, and a worker has one: a training is alone in its
    process, whose random generator it seeds. What the proof says goes into the scheduler's events
    under the same name, as `{"worker": address, "lacks": one line, empty if it passed}`.

    proof: raises UserError, with what differs and the remedy. launcher: the process with which
    workers on the same machine end; None: they have a terminal of their own.
    """

    def __init__(self, name: str, proof: Proof, launcher: int | None) -> None:
        self.name, self._proof, self._launcher = name, proof, launcher

    async def setup(self, worker: Worker) -> None:
        """Admits the worker, or says what it lacks."""
        keep_quiet()
        if self._launcher is not None:
            signal.signal(signal.SIGINT, _do_nothing)  # Ctrl-C is for the launcher
            end_with(self._launcher)
        lacks = ""
        try:
            await asyncio.to_thread(self._proof)
        except (UserError, OSError) as error:
            lacks = in_words(error)
        # It may have passed or failed before: commands that begin ask again.
        await worker.set_resources(**{self.name: 0 if lacks else 1})
        worker.log_event(self.name, {"worker": worker.address, "lacks": lacks})

    def transition(self, key: Key, start: str, finish: str, **_: Any) -> None:  # noqa: ARG002
        """Ends the process if its task is no longer wanted: nothing else stops a training.

        The task was cancelled, or the process that wanted it has ended. Its checkpoint stays, and
        Dask starts another worker. Workers that a process has started are ended by it.
        """
        unwanted = start == "executing" and finish in ("released", "cancelled", "forgotten")
        if unwanted and self._launcher is None:
            os._exit(1)
