"""Opens MLflow with a table of all runs: `brl ui`."""

import os
import socket
import sys

from brl.support.addresses import CREDENTIALS
from brl.support.errors import UserError
from brl.support.programs import run_program
from brl.tracking.store import find_experiment, tracking_uri
from brl.tracking.view import save_view, view_address


def comparison_url(base: str) -> str:
    """The URL of the table of runs, on a server; raises UserError if there are no runs."""
    client, experiment = find_experiment()
    if experiment is None or experiment.lifecycle_stage == "deleted":
        raise UserError("no runs are recorded yet; make repro records them")
    save_view(client, experiment)
    return f"{base}/{view_address(experiment.experiment_id)}"


def free_port() -> int:
    """The port of BRL_UI_PORT, or 5000; raises UserError if it cannot be used."""
    port = os.environ.get("BRL_UI_PORT", "5000")
    if not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError(f"BRL_UI_PORT: {port!r}; must be a port, such as 5000")
    with socket.socket() as server:
        # A port that a server has just left can be used.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", int(port)))
        except OSError as error:
            raise UserError(
                f"port {port}: {error.strerror}; choose another: BRL_UI_PORT={int(port) + 1} brl ui"
            ) from error
    return int(port)


def open_ui() -> None:
    """Serves MLflow until Ctrl-C; prints the URL only if runs are kept on a server."""
    uri = tracking_uri()
    if uri.startswith("http"):
        print(comparison_url(CREDENTIALS.sub("://", uri.partition("?")[0].rstrip("/"))))
        return
    port = free_port()
    print(f"The runs: {comparison_url(f'http://127.0.0.1:{port}')}\nCtrl-C ends it.", flush=True)
    # Two processes instead of fifteen: no background jobs, one worker.
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # As a variable: it may contain a password, and everybody can read a command line.
    settings["MLFLOW_BACKEND_STORE_URI"] = uri
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--port", str(port)]
    if run_program(command, os.environ | settings):
        sys.exit(1)
