"""What has changed since the last committed report."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from brl.commands.differences import differences
from brl.config.params import Params
from brl.report.columns import COLUMNS
from brl.support.paths import METRICS

Headline = dict[str, float | None]
SHOWN_EDITS = 12


@dataclass(frozen=True)
class LastReport:
    """The report in git: `commit` and its day, headline numbers, edits since in words; comparable
    unless the clips that it is about are others."""

    commit: str
    headline: Headline
    edits: list[str]
    comparable: bool


def last_report(params: Params) -> LastReport | None:
    """That of the commit at hand; None without git, or where none was committed."""
    commit = _git("log", "-1", "--format=%h, %as", "--", str(METRICS))
    then = _git("show", "HEAD:./params.yaml")
    metrics = _git("show", f"HEAD:./{METRICS}")
    if not commit or then is None or metrics is None:
        return None
    old, new = yaml.safe_load(then), params.model_dump(mode="json")
    edits = list(differences("", old, new))
    if len(edits) > SHOWN_EDITS:
        edits = [*edits[:SHOWN_EDITS], f"and {len(edits) - SHOWN_EDITS} more"]
    of_clips = ("name", "split")
    comparable = all(old["dataset"].get(key) == new["dataset"][key] for key in of_clips)
    return LastReport(commit.strip(), json.loads(metrics), edits, comparable)


def lines_on(last: LastReport, headline: Headline) -> Iterator[str]:
    """The change of each headline number, in points, and what was edited in params.yaml."""
    if not last.comparable:
        yield f"The last committed report ({last.commit}) is about other clips."
        return
    changes = [
        f"{name} {now - before:+.1f}"
        for key, name in COLUMNS.items()
        if (now := headline.get(key)) is not None
        and (before := last.headline.get(key)) is not None
        and now != before
    ]
    yield f"Since the last committed report ({last.commit}): {', '.join(changes) or 'unchanged'}"
    yield from (f"  edited: {edit}" for edit in last.edits)


def _git(*arguments: str) -> str | None:
    """What git answers; None where it does not."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
