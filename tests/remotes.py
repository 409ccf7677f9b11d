"""DVC remotes that are really served, on this machine: a folder, an SSH server, a bucket."""

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

NEEDED = "needs the extra `remotes`"


@dataclass(frozen=True)
class Remote:
    """What `dvc remote` is told.

    url      its address
    common   settings of all members of a group, which are committed
    private  keys of one member
    """

    url: str
    common: dict[str, str]
    private: dict[str, str]


Kind = Callable[[Path], AbstractContextManager[Remote]]


@contextmanager
def folder(place: Path) -> Iterator[Remote]:
    """A folder that all members reach."""
    yield Remote(str(place / "remote"), {}, {})


@contextmanager
def ssh(place: Path) -> Iterator[Remote]:
    """A server of SSH, which lets the owner of one key in."""
    pytest.importorskip("dvc_ssh", reason=NEEDED)
    import asyncssh

    (place / "served/remote").mkdir(parents=True)
    of_server, of_member = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    of_member.write_private_key(place / "key")
    of_member.write_public_key(place / "key.pub")

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[of_server],
            authorized_client_keys=str(place / "key.pub"),
            sftp_factory=partial(asyncssh.SFTPServer, chroot=str(place / "served")),
        )

    with loop_of_its_own() as loop:
        acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result()
        address = f"ssh://127.0.0.1:{acceptor.get_port()}/remote"
        yield Remote(address, {"user": "member"}, {"keyfile": str(place / "key")})
        acceptor.close()
        asyncio.run_coroutine_threadsafe(acceptor.wait_closed(), loop).result()


@contextmanager
def loop_of_its_own() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@contextmanager
def bucket(_place: Path) -> Iterator[Remote]:
    """A bucket of a server of S3, which takes any keys, but not none."""
    pytest.importorskip("dvc_s3", reason=NEEDED)
    moto = pytest.importorskip("moto.server", reason=NEEDED)
    import boto3

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    keys = {name: secrets.token_hex() for name in ("access_key_id", "secret_access_key")}
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    common = {"endpointurl": address, "region": "us-east-1"}
    named = {f"aws_{name}": value for name, value in keys.items()}
    client = boto3.client("s3", "us-east-1", endpoint_url=address, **named)
    client.create_bucket(Bucket="group")
    yield Remote("s3://group/remote", common, keys)
    server.stop()
