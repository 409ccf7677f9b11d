"""An MLflow server as a group has one: PostgreSQL, a store of artifacts, users with passwords."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.postgresql import a_server

# MLflow's own default lets users only read what others began.
SETTINGS = """[mlflow]
default_permission = EDIT
database_uri = {database}
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""
STARTED_AFTER_SECONDS = 300.0


@dataclass(frozen=True)
class TrackingServer:
    """A server that runs; `artifacts` is where it keeps them."""

    url: str
    artifacts: Path
    log: Path
    password: str

    def add_user(self, name: str) -> dict[str, str]:
        """Adds a user; returns the environment variables of that person."""
        password = secrets.token_hex()
        requests.post(
            f"{self.url}/api/2.0/mlflow/users/create",
            json={"username": name, "password": password},
            auth=("admin", self.password),
            timeout=300,
        ).raise_for_status()
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password,
        }


@contextmanager
def tracking_server(place: Path) -> Iterator[TrackingServer]:
    """Starts a server; skips the test where something for it is missing."""
    pytest.importorskip("flask_wtf", reason="needs the extra `remotes`: mlflow[auth]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = TrackingServer(
        f"http://127.0.0.1:{port}", place / "artifacts", place / "log", secrets.token_hex()
    )
    with a_server() as database, served.log.open("w") as log:
        settings = place / "auth.ini"
        settings.write_text(SETTINGS.format(database=database))
        command = (
            *(sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", database),
            *("--artifacts-destination", str(served.artifacts)),
        )
        secret = {
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_AUTH_ADMIN_PASSWORD": served.password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        process = subprocess.Popen(
            command, cwd=place, env=os.environ | secret, stdout=log, stderr=log
        )
        try:
            wait_until_it_answers(served, process)
            yield served
        finally:
            process.terminate()
            process.wait()


def wait_until_it_answers(server: TrackingServer, process: subprocess.Popen[bytes]) -> None:
    given_up = time.monotonic() + STARTED_AFTER_SECONDS
    while time.monotonic() < given_up:
        assert process.poll() is None, server.log.read_text()
        try:
            requests.get(f"{server.url}/health", timeout=5).raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.2)
    raise AssertionError(server.log.read_text())
