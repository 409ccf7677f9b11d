"""Shows which stages would run now, and why: `brl why`. It runs nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from brl.commands.differences import differences
from brl.config.params import read_params
from brl.support.errors import UserError
from brl.support.text import console

PARAMS = "params.yaml"
NAMED_FILES = 3  # how many changed files are named if there are more
FOOTER = (
    "Nothing has run: make repro runs them. A stage that is listed because of an earlier one only "
    "runs if that one gives another result; results computed before come from DVC's cache."
)
# Reasons for DVC's statuses of a whole stage.
STATUS_REASONS = {"changed command": "another command", "always changed": "it runs every time"}

Reasons = dict[str, list[str]]


def reasons() -> Reasons:
    """The stages that would run now, in order, each with its reasons in words.

    Raises UserError if params.yaml is not valid, if DVC cannot read the pipeline, or if it is at
    work in this folder.
    """
    read_params()
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            stages = repo.index.stages
            earlier = {
                stage.addressing: [other.addressing for other in repo.index.graph.successors(stage)]
                for stage in stages
            }
            made_by = {out.def_path: stage.addressing for stage in stages for out in stage.outs}
            status = repo.status()
    except LockError as error:
        raise UserError("DVC is at work in this folder; ask again when it is done") from error
    except DvcException as error:
        raise UserError(f"DVC cannot read the pipeline here: {error}") from error
    locked = _read("dvc.lock").get("stages", {})
    running: Reasons = {}
    for name, dependencies in _in_order(earlier):
        own = _own_reasons(status.get(name, []), locked.get(name), running, made_by)
        inherited = [f"after {stage}" for stage in dependencies if stage in running]
        if own or inherited:
            running[name] = own or inherited
    return running


def _in_order(earlier: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """Yields each stage and the stages that it depends on, in topological order."""
    waiting = dict(earlier)
    while waiting:
        ready = [name for name, others in waiting.items() if not set(others) & set(waiting)]
        for name in ready:
            yield name, waiting.pop(name)


def _own_reasons(
    changes: list[Any], locked: dict[str, Any] | None, running: Reasons, made_by: dict[str, str]
) -> list[str]:
    """The changes of a stage since it ran last, except outputs of stages that run anyway.

    changes: DVC's status of the stage. locked: its entry in dvc.lock. made_by: the stage that
    writes each output.
    """
    if locked is None:
        return ["it never ran here"]
    reasons = []
    for change in changes:
        if isinstance(change, str):
            reasons.append(STATUS_REASONS.get(change, change))
            continue
        files = change.get("changed deps", {})
        if PARAMS in files:
            reasons += _parameters(locked["params"][PARAMS], files[PARAMS])
        changed = [path for path in files if path != PARAMS and made_by.get(path) not in running]
        reasons += files_in_words([file for path in changed for file in _inside(path)])
        for path, kind in change.get("changed outs", {}).items():
            gone = kind in ("deleted", "not in cache")
            reasons.append(f"{path} is {'not there' if gone else 'not as it was left'}")
    return reasons


def _parameters(old: dict[str, Any], changed: dict[str, str]) -> Iterator[str]:
    """The old and new values of the changed parameters, in words."""
    content = _read(PARAMS)
    for name in changed:
        new = content
        for part in name.split("."):
            new = new.get(part, ...) if isinstance(new, dict) else ...
        yield from differences(name, old.get(name, ...), new)


def files_in_words(paths: list[str]) -> Iterator[str]:
    """Names the changed files, or the first ones of a long list."""
    if len(paths) > NAMED_FILES + 1:
        more = len(paths) - NAMED_FILES
        yield f"changed: {', '.join(paths[:NAMED_FILES])} and {more} more files"
    elif paths:
        yield f"changed: {', '.join(paths)}"


def _inside(path: str) -> list[str]:
    """The changed files of a changed dependency.

    Of a folder these are the files edited since DVC wrote dvc.lock; the folder itself, if there are
    none (for example, because a file was removed).
    """
    lock_time = Path("dvc.lock").stat().st_mtime
    files = (file for file in sorted(Path(path).rglob("*")) if "__pycache__" not in file.parts)
    edited = [str(file) for file in files if file.is_file() and file.stat().st_mtime > lock_time]
    return edited or [path]


def _read(path: str) -> dict[str, Any]:
    from dvc.utils.serialize import load_yaml  # five times as fast as PyYAML

    return load_yaml(path) if Path(path).exists() else {}


def lines(stages: Reasons) -> dict[tuple[str, str], list[str]]:
    """The streams of each pair of stage and cause, for a table with one line per pair."""
    streams: dict[tuple[str, str], list[str]] = {}
    for name, causes in stages.items():
        stage, _, stream = name.partition("@")
        cause = "; ".join(dict.fromkeys(each.removesuffix(f"@{stream}") for each in causes))
        # `after predict@joint, after predict@bone, ...` becomes `after predict`.
        if all(each.startswith("after ") for each in causes):
            names = (each.removeprefix("after ").partition("@")[0] for each in causes)
            cause = "after " + ", ".join(dict.fromkeys(names))
        streams.setdefault((stage, cause), []).append(stream)
    return streams


def show() -> None:
    """Prints the stages that would run, and why."""
    stages = reasons()
    if not stages:
        print("Nothing would run: everything is as it was when it ran last.")
        return
    table = Table("stage", "streams", "because", box=None, header_style="bold")
    for (stage, cause), streams in lines(stages).items():
        table.add_row(stage, ", ".join(filter(None, streams)), cause)
    out = console()
    out.print(table)
    out.print(FOOTER, style="dim")
