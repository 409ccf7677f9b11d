"""Records the results in the workspace in MLflow: `brl record`."""

from collections.abc import Iterator
from typing import Any

from brl.config.params import read_params
from brl.support.errors import UserError
from brl.tracking import present, unsent
from brl.tracking.failures import failures_named
from brl.tracking.runs import Runs
from brl.tracking.store import enabled, tracking_uri

# DVC's words for what is not in the workspace, as after `dvc repro --pull --allow-missing`.
MISSING = ("deleted", "not in cache")


def record() -> None:
    """Records what is not recorded.

    First sends what the store did not take before. Raises UserError if the store fails, or if
    results are missing, or are not those of params.yaml and the present code.
    """
    if not enabled():
        raise UserError("BRL_TRACKING=off: nothing is recorded; unset it")
    params = read_params()
    if unsent.waiting():
        unsent.send_waiting(Runs())
        if changed_results():
            return  # nothing else can be recorded
    check_up_to_date()
    results = present.Present.read(params)
    if not present.are_recorded(results.digests):
        with failures_named(tracking_uri()):
            present.record_in(Runs(), results)
    print("MLflow has the results of the pipeline and of each of its streams.")


def check_up_to_date() -> None:
    """Raises UserError if results are not those of params.yaml and the present code."""
    if changed := changed_results():
        raise UserError(
            f"the results are not those of params.yaml and the code ({', '.join(changed)} would "
            "run); first: make repro"
        )


def changed_results() -> list[str]:
    """The stages whose results are not those of params.yaml and the present code."""
    return [stage for stage, status in pipeline_status().items() if has_changed(status)]


def pipeline_status() -> dict[str, Any]:
    """What DVC says about each stage that is not up to date; UserError if it cannot read them."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            status: dict[str, Any] = repo.status()
            return status
    except DvcException as error:
        raise UserError(f"DVC cannot read the pipeline here: {error}") from error


def has_changed(status: Any) -> bool:
    """Whether a stage's status, from DVC, is more than that files are missing."""
    return any(word not in MISSING for word in words_in(status))


def words_in(status: Any) -> Iterator[str]:
    """The words at the ends of nested lists and dictionaries."""
    if isinstance(status, str):
        yield status
        return
    for part in status.values() if isinstance(status, dict) else status:
        yield from words_in(part)
