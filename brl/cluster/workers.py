"""Calls that Dask places on workers."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from distributed import Client, Future, KilledWorker, Worker

from brl.support.errors import UserError

SECONDS_BETWEEN_LOOKS = 0.2
Task = TypeVar("Task")


@dataclass(frozen=True)
class Call:
    """A call of a function of this project; key: names it, to Dask and in its dashboard."""

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Workers:
    """The workers of a client, as far as they are admitted; see `Admission`.

    name: of the resource that admitted workers have. place: where they are, for messages; empty
    for this machine.
    """

    def __init__(self, client: Client, name: str, place: str = "") -> None:
        self._client, self._name, self._place = client, name, place
        self._dismissed: dict[str, str] = {}
        self._told: set[str] = set()

    @property
    def are_elsewhere(self) -> bool:
        """Whether they may have other disks than this process."""
        return bool(self._place)

    def dismiss(self, worker: str, lacks: str) -> None:
        """Gives no more work to a worker (its address), because of what it lacks, in one line."""
        self._dismissed[worker] = lacks
        self._client.run(_withdraw, self._name, workers=[worker], on_error="ignore")

    def results(
        self, tasks: list[Task], call: Callable[[Task], Call]
    ) -> Iterator[tuple[Task, Any]]:
        """Does tasks in their order, one at a time on each worker; yields them as they are done.

        With each comes what its call returns. Where Dask gives the call up, since each worker that
        had it was killed, that is a KilledWorker. What nobody waits for any more is stopped.

        call: makes the call of a task when a worker is free for it.

        Raises UserError if all workers that are there lack something.
        """
        waiting = list(reversed(tasks))
        running: dict[Future, Task] = {}
        try:
            while waiting or running:
                # Dask deals tasks with a resource out at once: an idle worker would get none of
                # those that are in line behind a long one.
                while waiting and len(running) < self._admitted():
                    task = waiting.pop()
                    running[self._submit(call(task))] = task
                for future in [each for each in running if each.done()]:
                    yield running.pop(future), future.exception() or future.result()
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            self._client.cancel(list(running))

    def _submit(self, call: Call) -> Future:
        resources = {self._name: 1}
        return self._client.submit(
            call.function, *call.arguments, key=call.key, resources=resources, pure=False
        )

    def _admitted(self) -> int:
        """The number of admitted workers; tells of those that lack something.

        Raises UserError if all do.
        """
        present = self._client.scheduler_info(n_workers=-1)["workers"]
        events = (event for _, event in self._client.get_events(self._name))
        last = {event["worker"]: event["lacks"] for event in events} | self._dismissed
        lacks = {worker: said for worker, said in last.items() if said and worker in present}
        if present and present.keys() == lacks.keys():
            raise UserError(
                f"none of the {len(present)} workers at {self._place} can compute this: "
                f"{next(iter(lacks.values()))}"
            )
        for worker in lacks.keys() - self._told:
            print(f"{worker} gets no work: {lacks[worker]}", file=sys.stderr)
        if self.are_elsewhere and not present and self._place not in self._told:
            print(f"no worker is there yet; waits for one at {self._place}", file=sys.stderr)
            self._told.add(self._place)
        self._told |= lacks.keys()
        return sum(int(each["resources"].get(self._name, 0)) for each in present.values())


def given_up(error: Exception) -> str:
    """Why Dask has no result of a task."""
    if isinstance(error, KilledWorker):
        return (
            "its process was killed again and again, perhaps because memory ran out; try fewer "
            "--jobs"
        )
    return f"{type(error).__name__}: {error}"


async def _withdraw(name: str, dask_worker: Worker) -> None:
    await dask_worker.set_resources(**{name: 0})
