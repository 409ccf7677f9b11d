"""A group shares its results: over DVC remotes that are served, and one MLflow server."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow.artifacts import download_artifacts

from brl.commands import record as recording
from brl.support.errors import UserError
from brl.support.files import sha256
from brl.tracking.runs import Runs
from brl.tracking.unsent import waiting
from tests import remotes
from tests.members import STREAMS, Member
from tests.test_store_failures import assert_whole, trained, warnings
from tests.tracking_server import TrackingServer, tracking_server

pytestmark = pytest.mark.remotes


@pytest.fixture(scope="module", autouse=True)
def outside() -> Iterator[None]:
    """Nothing of this machine's own settings is used, and nothing outside is asked for keys."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_TRACKING"))]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("DVC_NO_ANALYTICS", "1")
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")  # a busy machine is no failure
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


@pytest.fixture(scope="module")
def server(outside, tmp_path_factory) -> Iterator[TrackingServer]:
    with tracking_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def users(server) -> dict[str, dict[str, str]]:
    """The environment variables of each user of the server."""
    return {name: server.add_user(name) for name in ("ann", "bob", "eve")}


@pytest.fixture
def as_user(users, monkeypatch):
    """Makes this process that of a user."""

    def become(name: str) -> None:
        for variable, value in users[name].items():
            monkeypatch.setenv(variable, value)

    return become


def test_a_wrong_password_is_one_line_and_the_run_is_sent_later(
    as_user, users, tracked, monkeypatch, capsys
):
    as_user("ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "mistyped")
    trained(tracked)
    (told,) = warnings(capsys)
    assert "not authenticated" in told and "mistyped" not in told and waiting() == 1
    with pytest.raises(UserError, match="not authenticated"):
        recording.record()
    as_user("ann")
    monkeypatch.setattr(recording, "pipeline_status", lambda: {"train@joint": "changed command"})
    recording.record()
    (sent,) = Runs().search("tags.fingerprint = 'f'")
    assert waiting() == 0
    assert_whole(sent)
    password = users["ann"]["MLFLOW_TRACKING_PASSWORD"].encode()
    assert not [
        file for file in tracked.rglob("*") if file.is_file() and password in file.read_bytes()
    ]


def test_what_two_members_train_side_by_side_is_found_by_a_third(
    owner, server, users, as_user, tmp_path
):
    changed = {"ann": "joint", "bob": "skip"}

    def work(name: str) -> Member:
        member = joined(owner, remote, tmp_path / name)
        member.edit({f"streams.{changed[name]}.lr": 0.01})
        done = member.brl("repro", **users[name])
        assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
        return member

    with remotes.folder(tmp_path) as remote, ThreadPoolExecutor() as pool:
        push(owner, remote)
        members = dict(zip(changed, pool.map(work, changed), strict=True))
    as_user("eve")
    assert len(Runs().search("tags.kind = 'pipeline'")) == 2
    for name, stream in changed.items():
        pipeline, streams = members[name].result()
        assert pipeline.data.params[f"streams.{stream}.lr"] == "0.01"
        run = streams[stream]
        assert run.data.metrics["train/loss"] > 0 and run.info.status == "FINISHED"
        assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
        weights = download_artifacts(
            f"{run.info.artifact_uri}/{stream}.safetensors", dst_path=str(tmp_path)
        )
        assert sha256(Path(weights)) == run.data.tags["weights.digest"]
    assert [*server.artifacts.rglob("index.html")]
