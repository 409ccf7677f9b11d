"""Changes since the last committed report."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from brl.commands.differences import differences
from brl.config.params import Params
from brl.report.columns import COLUMNS
from brl.support.paths import METRICS

Headline = dict[str, float | None]
SHOWN_EDITS = 12
PARAMS = "params.yaml"


@dataclass(frozen=True)
class LastReport:
    """The last report in git.

    commit      short hash and date
    headline    its metrics in %
    edits       changes of params.yaml since, in words; none if it had another form then
    comparable  whether it is about the same clips and groups of classes
    """

    commit: str
    headline: Headline
    edits: list[str]
    comparable: bool


def last_report(params: Params) -> LastReport | None:
    """The report of the commit that last changed its metrics; None without one, or without git."""
    found = _git("log", "-1", "--format=%H%n%h, %as", "--", str(METRICS))
    if not found:
        return None
    commit, shown = found.splitlines()
    committed = _git("show", f"{commit}:./{PARAMS}")
    metrics = _git("show", f"{commit}:./{METRICS}")
    if committed is None or metrics is None:
        return None
    old, new = yaml.safe_load(committed), params.model_dump(mode="json")
    edits = []
    with suppress(ValidationError):  # a version with other keys wrote it
        old = Params.model_validate(old).model_dump(mode="json")
        edits = list(differences("", old, new))
    if len(edits) > SHOWN_EDITS:
        edits = [*edits[:SHOWN_EDITS], f"and {len(edits) - SHOWN_EDITS} more"]
    return LastReport(shown, json.loads(metrics), edits, _clips(old) == _clips(new))


def _clips(content: dict[str, Any]) -> list[Any]:
    """The parameters that decide which clips are trained on, tested and grouped."""
    dataset = content.get("dataset", {})
    sections = [content.get(name) or {} for name in ("prepare", "subsample", "evaluate")]
    # A key without a value may be missing in a file of another form.
    given = [
        {key: section[key] for key in section if section[key] is not None} for section in sections
    ]
    return [dataset.get("name"), dataset.get("split"), *given]


def lines_on(last: LastReport, headline: Headline) -> Iterator[str]:
    """Changes of the headline metrics, in percentage points, and edits of params.yaml."""
    if not last.comparable:
        yield f"The last committed report ({last.commit}) is about other clips or groups."
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
    """The output of a git command; None if it fails."""
    try:
        completed = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return completed.stdout
