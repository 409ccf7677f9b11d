"""The runs of benchmarks."""

from pathlib import Path

from brl.tracking.description import surroundings
from brl.tracking.runs import Runs
from brl.tracking.store import enabled
from brl.tracking.unsent import recorded


def record_benchmark(name: str, metrics: dict[str, float], report: Path) -> None:
    """Records a benchmark: its figures, and its report, which also describes the machine."""

    def record(runs: Runs) -> None:
        run_id = runs.create(name, {"kind": "benchmark", **surroundings()})
        runs.log_metrics(run_id, metrics)
        runs.client.log_artifact(run_id, str(report))
        runs.client.set_terminated(run_id)

    if enabled():
        recorded(record)
