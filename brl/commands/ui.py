"""Opens MLflow with a table of all runs: `brl ui`."""

import os
import subprocess
import sys
from urllib.parse import quote

from brl.support.errors import UserError
from brl.tracking.store import EXPERIMENT, tracking_uri

PORT = os.environ.get("BRL_UI_PORT", "5000")


def comparison_url(base: str) -> str:
    """The URL of the table of runs; raises UserError if there are no runs."""
    import mlflow

    mlflow.set_tracking_uri(tracking_uri())
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        raise UserError("no runs are recorded yet; make repro records them")
    # Runs of streams are children of their pipeline's run: one row per pipeline or method suffices.
    shown = quote("tags.kind != 'stream' and tags.kind != 'benchmark'")
    return (
        f"{base}/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
        f"&searchFilter={shown}&orderByKey=attributes.start_time&orderByAsc=false"
    )


def open_ui() -> None:
    """Serves MLflow until Ctrl-C; prints the URL only if runs are kept on a server."""
    uri = tracking_uri()
    if uri.startswith("http"):
        print(comparison_url(uri.rstrip("/")))
        return
    print(f"The runs: {comparison_url(f'http://127.0.0.1:{PORT}')}\nCtrl-C ends it.", flush=True)
    # Two processes instead of fifteen: no background jobs, one worker.
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--port", PORT]
    subprocess.run([*command, "--backend-store-uri", uri], env=environment, check=False)
