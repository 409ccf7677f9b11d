"""Lists or removes failed runs and stale checkpoints: `brl clean [--yes]`.

Runs and checkpoints that the next `make repro` or `brl compare` would resume are kept.
"""

from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path

from rich.table import Table

from brl.commands.why import reasons
from brl.comparison.data import Data, encoder_file, unfinished_folder, weights_file
from brl.comparison.file import COMPARISONS
from brl.comparison.learned import learned_fusions
from brl.comparison.made import note_of
from brl.comparison.plan import Run, planned_runs, read_comparison
from brl.comparison.run import lacks_encoder
from brl.config.params import Params, read_params
from brl.pretraining.encoder import Pretraining
from brl.subset.subset import SUMMARY_FILE, read_summary
from brl.support.errors import UserError
from brl.support.locks import Lock
from brl.support.paths import STORE, SUBSET, TRAINING, UNSEEN_CLIPS
from brl.support.processes import is_gone
from brl.support.text import console
from brl.tracking.notes import unfinished_note
from brl.tracking.store import connect, tracking_uri
from brl.training.checkpoint_file import DAMAGED, checkpoint_files
from brl.training.job import Job
from brl.training.resuming import checkpoints, data_hashes, fingerprint
from brl.unseen.folds import FoldTraining


@dataclass(frozen=True)
class Leftover:
    """A run (`run_id`) or a checkpoint (`files`) that no training will resume."""

    what: str
    why: str
    when: datetime
    run_id: str = ""
    files: tuple[Path, ...] = ()


def resumable(params: Params) -> set[str] | None:
    """Identities of the trainings that would run or resume now; None if their data are missing.

    A training whose result is there, perhaps because DVC has restored it, does not resume.
    """
    needed = STORE / "meta.json", SUBSET / SUMMARY_FILE, TRAINING / SUMMARY_FILE, UNSEEN_CLIPS
    if not all(file.exists() for file in needed):
        return None
    data = Data.read()
    return set(in_pipeline(params, data)) | set(in_comparisons(params, data))


def in_pipeline(params: Params, data: Data) -> Iterator[str]:
    """The fingerprints of the trainings and pre-trainings of stages that would run."""
    stages = reasons()
    digest, _ = read_summary(TRAINING)
    for stream in params.streams:
        job = Job.of(params, stream)
        if f"train@{stream}" in stages:
            yield fingerprint(job, data_hashes(job, data.store.digest, digest))
        if f"pretrain@{stream}" in stages and job.pretrain:
            pretraining = Pretraining.of(job)
            if pretraining.listed.exists():
                yield pretraining.fingerprint(data.store, params.train.validation)
        if f"folds@{stream}" in stages:
            for training in FoldTraining.all_of(params, stream, data.store):
                yield from training.identities


def in_comparisons(params: Params, data: Data) -> Iterator[str]:
    """The keys of the trainings and pre-trainings of comparisons that have not finished."""
    for run in all_planned_runs(params):
        if not weights_file(key := data.trained_key(run)).exists():
            yield key
            if lacks_encoder(run, data):
                yield data.encoder_key(run)


def all_planned_runs(params: Params) -> Iterator[Run]:
    """The runs of all comparisons that are for these parameters, and of what fusions learn from."""
    for file in COMPARISONS.glob("*.yaml"):
        with suppress(UserError):  # it is for others
            runs = planned_runs(read_comparison(file.stem, params), params)
            yield from runs
            for fusion in learned_fusions(runs):
                yield from fusion.unseen


def old_checkpoints(current: set[str]) -> list[Leftover]:
    """Checkpoints of no process at work: damaged ones, and those of no `current` training."""
    leftovers = []
    for file in [*checkpoint_files(checkpoints()), *checkpoint_files(unfinished_folder())]:
        training = file.name.split(".")[0]
        identity, checkpoint = training.rsplit("-", 1)[-1], file.with_name(f"{training}.pt")
        lock = Lock(checkpoint)
        damaged = file.suffix == DAMAGED
        if (identity in current and not damaged) or lock.holder():
            continue
        of_comparison = () if damaged else (weights_file(identity), encoder_file(identity))
        begun_with = [note_of(each) for each in of_comparison if not each.exists()]
        begun_with += [] if damaged else [unfinished_note(checkpoint)]
        leftovers.append(
            Leftover(
                what=f"{file.name} ({file.stat().st_size / 1e6:.1f} MB)",
                why="damaged" if damaged else "finished, or other parameters, data or code",
                when=datetime.fromtimestamp(file.stat().st_mtime),
                files=(file, lock.path, *begun_with),
            )
        )
    return leftovers


def dead_runs(current: set[str]) -> list[Leftover]:
    """Runs that failed or whose process is gone, and that belong to no `current` training."""
    client, experiment_id = connect()
    leftovers = []
    for run in client.search_runs([experiment_id], "status != 'FINISHED'"):
        failed = run.info.status in ("FAILED", "KILLED")
        dead = failed or is_gone(run.data.tags.get("process", ""))
        if dead and run.data.tags.get("fingerprint") not in current:
            leftovers.append(
                Leftover(
                    what=f"run {run.info.run_name}",
                    why=run.info.status.lower() if failed else "its process is gone",
                    when=datetime.fromtimestamp(run.info.start_time / 1000),
                    run_id=run.info.run_id,
                )
            )
    return leftovers


def table_of(leftovers: list[Leftover]) -> Table:
    """A table of what would be removed, and why."""
    table = Table("what", "why", "since", box=None, pad_edge=False, header_style="bold")
    for leftover in leftovers:
        table.add_row(leftover.what, leftover.why, f"{leftover.when:%Y-%m-%d %H:%M}")
    return table


def remove(leftovers: list[Leftover]) -> None:
    """Removes checkpoint files and runs; artifacts of runs only from a local store."""
    for leftover in leftovers:
        for file in leftover.files:
            file.unlink(missing_ok=True)
    run_ids = [leftover.run_id for leftover in leftovers if leftover.run_id]
    client, _ = connect()
    for run_id in run_ids:
        client.delete_run(run_id)
    uri = tracking_uri()
    if run_ids and not uri.startswith("http"):
        remove_for_good(uri, run_ids)


def remove_for_good(uri: str, run_ids: list[str]) -> None:
    """Has MLflow remove what it keeps of deleted runs: rows of the database, and artifacts."""
    from mlflow.cli import gc

    arguments = ["--backend-store-uri", uri, "--run-ids", ",".join(run_ids)]
    try:
        # Not in another process, whose command line would show a password.
        with redirect_stdout(StringIO()):
            gc.main(arguments, "mlflow gc", standalone_mode=False)
    except Exception as error:  # of MLflow, SQLAlchemy or the file system
        reason = str(error) or type(error).__name__
        raise UserError(
            f"{uri}: the artifacts of removed runs are still there ({reason})"
        ) from error


def clean(*, removes: bool) -> None:
    """Prints what no training will resume; `removes` also removes it."""
    current = resumable(read_params())
    leftovers = dead_runs(current or set())
    if current is None:
        print("Checkpoints are kept: without data/ it is unknown which are stale (make repro).")
    else:
        leftovers += old_checkpoints(current)
    if not leftovers:
        print("Nothing to remove.")
        return
    console().print(table_of(leftovers))
    if removes:
        remove(leftovers)
        print(f"Removed: {len(leftovers)}.")
    else:
        print(f"{len(leftovers)} to remove: brl clean --yes")
