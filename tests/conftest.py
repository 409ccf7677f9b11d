"""Shared by all tests: settings, and the word at the end on what was not shown."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import brl  # noqa: F401  # before torch: it chooses how threads wait
import stages  # noqa: F401  # before torch: it chooses how many threads there are
from brl.config.params import read_params
from brl.streams.stream import Stream
from brl.tracking.store import connect
from tests.figures import FIGURE, pytest_write_figures  # noqa: F401  # a hook
from tests.reference import (  # noqa: F401  # hooks
    pytest_runtest_makereport,
    pytest_terminal_summary,
)
from tests.slurm import queue  # noqa: F401  # a fixture
from tests.warm import started_warm, warm_python
from tests.web import Server, running_server

if TYPE_CHECKING:
    from brl.clips.store import ClipStore
    from brl.subset.subset import Subset
    from tests.comparing import Grid
    from tests.killed import Killed, Measured

# No time limit an example: the machine's load must not fail a test. The same examples each run.
settings.register_profile("project", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("project")

# A shell ignores Ctrl-C for what it runs in the background, and tests send it to themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The six, as the project's own file has them.
PARAMS = read_params(Path("params.yaml"))
STREAMS = {name: Stream.of(PARAMS, name) for name in PARAMS.streams}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: short ones then fill what is left of each worker."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory) -> Iterator[None]:
    """What is kept at the project's root (checksums, checkpoints, runs) stays out of this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(tmp_path_factory.mktemp("root")))
        # Folders without the project's .dvc/config: each command of DVC would report itself, and
        # takes seconds for that.
        patch.setenv("DVC_NO_ANALYTICS", "1")
        patch.setattr("os.fsync", lambda _: None)  # 20 ms each, and no test cuts the power
        yield


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Counts what a test of faults did, for reports/benchmarks/reliability.json."""
    return lambda what, number=1: record_property(FIGURE, [what, number])


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, worker_id) -> "tuple[Killed, dict[str, Measured]]":
    """A pipeline that ran as it should, and the measures of its stages; all processes share it."""
    from tests.killed import built  # takes seconds to import

    folder = tmp_path_factory.getbasetemp()
    return built(folder if worker_id == "master" else folder.parent)


@pytest.fixture(scope="session")
def warm_server() -> Iterator[Path]:
    with warm_python() as folder:
        yield folder


@pytest.fixture(scope="module")
def warm(warm_server) -> Iterator[None]:
    """The stages of this module's pipelines start warm."""
    with started_warm(warm_server):
        yield


@pytest.fixture(scope="session")
def mlflow_db(tmp_path_factory) -> Path:
    """A store without runs, to be copied: MLflow takes seconds to create one."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        connect()
    return folder / "mlflow.db"


@pytest.fixture
def tracked(mlflow_db, tmp_path, monkeypatch) -> Path:
    """A project's root in which runs are recorded; none is yet."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("BRL_TRACKING", "on")
    shutil.copy(mlflow_db, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> "ClipStore":
    """A store of clips that a narrow network learns in seconds."""
    from tests.tiny import stored, swinging_arms  # takes seconds to import

    return stored(tmp_path_factory.mktemp("tiny") / "store", swinging_arms())


@pytest.fixture
def subset(store) -> "Subset":
    """All training clips of the store."""
    from tests.tiny import training_part

    return training_part(store)


@pytest.fixture
def grid(tmp_path, monkeypatch) -> "Grid":
    """A project for comparisons, the current folder; nothing is recorded."""
    from tests.comparing import Grid  # takes seconds to import

    grid = Grid(tmp_path / "project")
    monkeypatch.chdir(grid.folder)
    monkeypatch.setenv("DVC_ROOT", str(grid.folder))
    monkeypatch.setenv("BRL_TRACKING", "off")
    return grid


@pytest.fixture(scope="session")
def running() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(running) -> Server:
    """A web server that answers as it should, until a test tells it otherwise."""
    running.play()
    return running
