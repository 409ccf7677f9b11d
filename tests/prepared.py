"""Real datasets beside the project, prepared once per file of tests."""

from pathlib import Path

import pytest

from brl.clips.store import ClipStore
from brl.datasets.facts import Facts
from brl.datasets.prepare import prepare
from brl.datasets.table import SOURCES
from tests.reference import shared


def prepared(name: str, folder: Path) -> tuple[ClipStore, list[Facts]]:
    """The store of a dataset whose archive is in ../shared/data, and the facts of its clips."""
    mirror = shared("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        SOURCES[name].fetch(folder / "raw", str(mirror))
    facts = prepare(name, SOURCES[name].open(folder / "raw"), folder / "store", max_bodies=1)
    return ClipStore.open(folder / "store"), facts
