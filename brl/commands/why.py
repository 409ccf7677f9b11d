"""Which stages would run now, and because of what: `brl why`. Nothing runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from brl.commands.differences import differences
from brl.config.params import read_params
from brl.support.errors import UserError

PARAMS = "params.yaml"
NAMED_FILES = 3  # of a longer list of changed files
FOOTER = (
    "Nothing has run: make repro runs them. A stage that stands here for what comes before it runs "
    "if that gives another result; what was computed before comes from DVC's cache."
)
# DVC's words for a stage as a whole.
WORDS = {"changed command": "another command", "always changed": "it runs every time"}

Reasons = dict[str, list[str]]


def reasons() -> Reasons:
    """The stages of dvc.yaml that would run now, in order, each with what is the cause in words.

    Raises UserError where params.yaml is not valid, or this is no folder of DVC's.
    """
    read_params()
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            stages = repo.index.stages
            before = {
                stage.addressing: [of.addressing for of in repo.index.graph.successors(stage)]
                for stage in stages
            }
            made_by = {out.def_path: stage.addressing for stage in stages for out in stage.outs}
            status = repo.status()
    except DvcException as error:
        raise UserError(f"DVC cannot read the pipeline here: {error}") from error
    locked = _read("dvc.lock").get("stages", {})
    found: Reasons = {}
    for name, earlier in _in_order(before):
        own = _own_reasons(status.get(name, []), locked.get(name), found, made_by)
        inherited = [f"after {stage}" for stage in earlier if stage in found]
        if own or inherited:
            found[name] = own or inherited
    return found


def _in_order(before: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """Stages with those before them, none before all of these."""
    waiting = dict(before)
    while waiting:
        ready = [name for name, earlier in waiting.items() if not set(earlier) & set(waiting)]
        for name in ready:
            yield name, waiting.pop(name)


def _own_reasons(
    changes: list[Any], locked: dict[str, Any] | None, running: Reasons, made_by: dict[str, str]
) -> list[str]:
    """What of a stage itself is other than when it ran last, but for what stages make that will
    run anyway; `changes` is DVC's status of it, `locked` its entry in dvc.lock."""
    if locked is None:
        return ["it never ran here"]
    found = []
    for change in changes:
        if isinstance(change, str):
            found.append(WORDS.get(change, change))
            continue
        files = change.get("changed deps", {})
        if PARAMS in files:
            found += _parameters(locked["params"][PARAMS], files[PARAMS])
        changed = [path for path in files if path != PARAMS and made_by.get(path) not in running]
        found += files_in_words([file for path in changed for file in _inside(path)])
        for path, kind in change.get("changed outs", {}).items():
            gone = kind in ("deleted", "not in cache")
            found.append(f"{path} is {'not there' if gone else 'not as it was left'}")
    return found


def _parameters(old: dict[str, Any], changed: dict[str, str]) -> Iterator[str]:
    """What became of each changed parameter."""
    content = _read(PARAMS)
    for name in changed:
        new = content
        for part in name.split("."):
            new = new.get(part, ...) if isinstance(new, dict) else ...
        yield from differences(name, old.get(name, ...), new)


def files_in_words(paths: list[str]) -> Iterator[str]:
    """Changed files; of a long list the first."""
    if len(paths) > NAMED_FILES + 1:
        more = len(paths) - NAMED_FILES
        yield f"changed: {', '.join(paths[:NAMED_FILES])} and {more} more files"
    elif paths:
        yield f"changed: {', '.join(paths)}"


def _inside(path: str) -> list[str]:
    """A changed file itself; of a changed folder the files edited since DVC last wrote dvc.lock, or
    the folder where none is (one was removed, say)."""
    written = Path("dvc.lock").stat().st_mtime
    files = (file for file in sorted(Path(path).rglob("*")) if "__pycache__" not in file.parts)
    edited = [str(file) for file in files if file.is_file() and file.stat().st_mtime > written]
    return edited or [path]


def _read(path: str) -> dict[str, Any]:
    if not Path(path).exists():
        return {}
    return yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}


def lines(found: Reasons) -> dict[tuple[str, str], list[str]]:
    """The streams of each stage and cause: those that share both stand in one line."""
    together: dict[tuple[str, str], list[str]] = {}
    for name, causes in found.items():
        stage, _, stream = name.partition("@")
        cause = "; ".join(dict.fromkeys(one.removesuffix(f"@{stream}") for one in causes))
        # `after predict@joint, after predict@bone, ...`: the stage is enough.
        if all(one.startswith("after ") for one in causes):
            stages = dict.fromkeys(one.removeprefix("after ").partition("@")[0] for one in causes)
            cause = "after " + ", ".join(stages)
        together.setdefault((stage, cause), []).append(stream)
    return together


def show() -> None:
    """Prints the stages that would run, and why."""
    found = reasons()
    if not found:
        print("Nothing would run: everything is as it was when it ran last.")
        return
    table = Table("stage", "streams", "because", box=None, header_style="bold")
    for (stage, cause), streams in lines(found).items():
        table.add_row(stage, ", ".join(filter(None, streams)), cause)
    console = Console()
    console.print(table)
    console.print(FOOTER, style="dim", highlight=False)
