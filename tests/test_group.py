"""A group shares its results over DVC remotes that are served: a folder, SSH, a bucket."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from brl.support.files import sha256
from brl.tracking.runs import Runs
from tests import remotes
from tests.members import STREAMS, Member

pytestmark = pytest.mark.remotes


@pytest.fixture(scope="module", autouse=True)
def outside() -> Iterator[None]:
    """Nothing of this machine's own settings is used, and nothing outside is asked for keys."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_TRACKING"))]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("DVC_NO_ANALYTICS", "1")
        for name in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{name}_NAME", "member")
            patch.setenv(f"GIT_{name}_EMAIL", "member@group")
        yield


@pytest.fixture(scope="module")
def owner(outside, tmp_path_factory, mlflow_db, warm) -> Iterator[Member]:
    """The member whose pipeline ran, recorded in a store that colleagues share."""
    place = tmp_path_factory.mktemp("group")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRL_TRACKING", "on")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place / 'mlflow.db'}")
        yield Member.first(place / "owner")


def push(owner: Member, remote: remotes.Remote) -> None:
    owner.name_remote(remote)
    owner.add_keys(remote)
    owner.dvc("push")


def joined(owner: Member, remote: remotes.Remote, folder: Path) -> Member:
    """A colleague who has what the owner pushed."""
    colleague = owner.clone(folder)
    colleague.add_keys(remote)
    colleague.dvc("pull")
    return colleague


def runs() -> set[str]:
    return {run.info.run_id for run in Runs().search()}


@pytest.mark.parametrize("kind", [remotes.folder, remotes.ssh, remotes.bucket])
def test_after_a_pull_nothing_runs_again_and_the_runs_are_found(owner, tmp_path, kind):
    with kind(tmp_path) as remote:
        push(owner, remote)
        colleague = joined(owner, remote, tmp_path / "colleague")
        before = runs()
        done = colleague.brl("repro")
        assert done.returncode == 0 and "Nothing has changed, so nothing runs." in done.stdout
        assert colleague.changes() == ""
        pipeline, streams = colleague.result()
    assert runs() == before and pipeline.info.run_id == owner.result()[0].info.run_id
    for name in STREAMS:
        weights = colleague.folder / f"models/{name}.safetensors"
        assert streams[name].data.tags["weights.digest"] == sha256(weights)
    for secret in remote.private.values():
        assert secret not in owner.git("log", "-p", "--", ".dvc")
