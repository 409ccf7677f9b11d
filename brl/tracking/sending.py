"""Brings runs from one store to another: those that the user's store did not take when it failed.

A run has another id there, so ids in tags and links are translated. What arrived already stays as
it is: sending can be interrupted and repeated.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from brl.support.processes import is_running
from brl.tracking.artifacts import path_of
from brl.tracking.runs import OTHER_STORE, RESULT, Runs

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

SENT_AS = "sent.as"  # the tag of a run that was sent: its id in the user's store


def send(kept: Runs, store: Runs, folder: Path) -> int:
    """Sends all runs in `kept` that nobody writes any more, and removes them there.

    folder: where a lock is put, so that two processes do not send the same. Returns how many.
    """
    try:
        with FileLock(folder / ".sending.lock", timeout=0):
            runs = [run for run in reversed(kept.search()) if not _is_written(run)]
            delivery = _Delivery(kept, store)
            for run in runs:
                delivery.address(run)
            for run in runs:
                delivery.deliver(run)
            return len(runs)
    except Timeout:
        return 0  # another process sends them


def _is_written(run: "Run") -> bool:
    return run.info.status == "RUNNING" and is_running(run.data.tags.get("process", ""))


class _Delivery:
    """Runs on their way from one store to another."""

    def __init__(self, kept: Runs, store: Runs) -> None:
        self._kept, self._store = kept, store
        self._new_ids = {
            run.info.run_id: run.data.tags[SENT_AS]
            for run in kept.search_deleted(f"tags.`{SENT_AS}` != ''")
        }
        self._recorded: set[str] = set()

    def address(self, run: "Run") -> None:
        """Finds the run in the store that has the same content, or creates one."""
        tags, run_id = run.data.tags, run.info.run_id
        known = self._store.same(run_id) or self._store.same(tags.get(OTHER_STORE, ""))
        if known is None and RESULT in tags:
            known = self._store.find(f"tags.`{RESULT}` = '{tags[RESULT]}'")
            if known:
                self._recorded.add(run_id)
        if known is None and RESULT in tags and "training.digest" in tags:
            known = self._store.find_training(tags["training.digest"])
        if known:
            self._new_ids[run_id] = known.info.run_id
            return
        created = self._store.client.create_run(
            self._store.experiment_id,
            run.info.start_time,
            {"process": tags.get("process", ""), OTHER_STORE: run_id},
            run.info.run_name,
        )
        self._new_ids[run_id] = created.info.run_id

    def deliver(self, run: "Run") -> None:
        """Copies what the store lacks of a run, and removes the run here."""
        kept, store = self._kept.client, self._store.client
        old, new = run.info.run_id, self._new_ids[run.info.run_id]
        folder = path_of(run.info.artifact_uri or "")
        if old not in self._recorded:
            there = store.get_run(new)
            params = {**run.data.params, **there.data.params}
            self._store.log_params(new, params)
            self._store.log_points(new, list(self._points(run, there)))
            if run.inputs and run.inputs.dataset_inputs:
                store.log_inputs(new, run.inputs.dataset_inputs)
            if folder.is_dir():
                store.log_artifacts(new, str(folder))
            # Last the tags: until the digest is there, the result is not recorded.
            # The next checkpoint holds the id that the run has here.
            tags = {**self._tags(run), **there.data.tags, OTHER_STORE: old}
            self._store.set_tags(new, tags)
            if run.info.status != "RUNNING" and there.info.status != "FINISHED":
                store.set_terminated(new, run.info.status, run.info.end_time)
        kept.set_tag(old, SENT_AS, new)
        kept.delete_run(old)
        if folder.is_dir():
            shutil.rmtree(folder.parent)

    def _points(self, run: "Run", there: "Run") -> Iterator["Metric"]:
        """The metrics that the run in the store lacks."""
        for name in run.data.metrics:
            steps = set()
            if name in there.data.metrics:
                history = self._store.client.get_metric_history(there.info.run_id, name)
                steps = {point.step for point in history}
            for point in self._kept.client.get_metric_history(run.info.run_id, name):
                if point.step not in steps:
                    yield point

    def _tags(self, run: "Run") -> dict[str, str]:
        """The tags of a run, with the ids of the store instead of those here."""
        tags = dict(run.data.tags)
        tags.pop(OTHER_STORE, None)
        experiments = (f"experiments/{runs.experiment_id}/" for runs in (self._kept, self._store))
        words = {**self._new_ids, next(experiments): next(experiments)}
        for name, value in tags.items():
            for old, new in words.items():
                value = value.replace(old, new)
            tags[name] = value
        return tags
