"""Measures what a million clips of a thousand classes cost in each stage.

`make bench-scale`, or `python -m benchmarks.scale [CLIPS CLASSES]`, prints a table and writes it to
reports/benchmarks/scale.md. All clips and scores are generated; a clip has two frames. Each step
runs in its own process (benchmarks/scale_steps.py). Seconds are those of the clock, and of these
those of the processor, which count where other programs are busy. Memory is the peak of the process
without the pages of mapped files, which the system takes back when memory is short. To spare the
disk, the two streams share one file of scores, and the runs of the comparison share two.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from benchmarks.report import mb, report
from benchmarks.steps import Step, measured
from brl.config.presets import apply_preset
from brl.support.paths import (
    BENCHMARK_REPORTS,
    COMPARISON_REPORTS,
    CONFUSION,
    DATA_TABLE,
    FUSED_SCORES,
    PAGE,
    REPORTS,
    SCORES,
    STORE,
    SUBSET,
)

DATABASE = Path("mlflow.db")
CLIPS, CLASSES = 1_000_000, 1_000
REPORT = BENCHMARK_REPORTS / "scale.md"
COLUMNS = ("step", "seconds", "of the processor", "memory", "on disk")
Row = tuple[str, str, str, str, str]


def main(clips: int, classes: int) -> None:
    """Measures all steps, the comparison with a tenth of the clips."""
    rows: list[Row] = []
    for steps, number in ((pipeline, clips), (comparison, clips // 10)):
        with tempfile.TemporaryDirectory(dir=".", prefix=".bench") as temporary:
            for row in steps(Project(Path(temporary)), number, classes):
                print(*row, sep="\t", file=sys.stderr)
                rows.append(row)
    report("make bench-scale", REPORT, COLUMNS, rows)


class Project:
    """A project with the present code, and the published recipe with two streams."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("brl", "stages", "benchmarks", "presets", "lists", "dvc.yaml"):
            (folder / name).symlink_to(Path(name).absolute())
        params = folder / "params.yaml"
        params.write_bytes(Path("params.yaml").read_bytes())
        apply_preset("ntu120_xsub", params)
        content = yaml.safe_load(params.read_text(encoding="utf-8"))
        content["dataset"] = {"name": "scale", "split": "halves", "mirror": None}
        content["subsample"] |= {"max_per_class": None, "imbalance_factor": 10}
        content["streams"] = {name: content["streams"][name] for name in ("joint", "bone")}
        content["ensemble"]["weights"] = {"joint": 2, "bone": 1}
        params.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def stage(self, what: str, name: str, *written: Path) -> Row:
        """The row of a whole stage, which writes these files and folders."""
        return self._row(what, measured(self.folder, f"stages.{name}", mapped=False), written)

    def step(self, what: str, name: str, *arguments: int, written: Path | None = None) -> Row:
        """The row of a step, whose seconds are those that it prints: without the start of Python.

        written: a file or a folder.
        """
        store = f"sqlite:///{(self.folder / DATABASE).absolute()}"
        tracking = {"BRL_TRACKING": "on", "MLFLOW_TRACKING_URI": store}
        done = measured(
            self.folder,
            "benchmarks.scale_steps",
            name,
            *arguments,
            mapped=False,
            environment=tracking if name == "record" else None,
        )
        seconds, processor = map(float, done.output.split()[-2:])
        done = done._replace(seconds=seconds, processor=processor)
        return self._row(what, done, [written] if written else [])

    def _row(self, what: str, done: Step, written: Iterable[Path]) -> Row:
        *_, size = self.size(what, *written)
        return what, f"{done.seconds:,.2f}", f"{done.processor:,.2f}", mb(done.memory), size

    def size(self, what: str, *written: Path) -> Row:
        """The row of what is on disk alone."""
        size = sum(size_of(self.folder / path) for path in written)
        return what, "", "", "", mb(size) if written else ""


def pipeline(project: Project, clips: int, classes: int) -> Iterator[Row]:
    """The steps of the pipeline."""
    yield (
        f"**{clips:,} test clips and as many training clips, {classes:,} classes**",
        "",
        "",
        "",
        "",
    )
    yield project.step("write the store", "store", clips, classes, written=STORE)
    yield project.size("its index", STORE / "index.npz")
    yield project.step("report on the data", "report_data", written=DATA_TABLE)
    yield project.step("open the store", "open_store")
    yield project.stage("subsample", "subsample", SUBSET)
    yield project.step("draw the order of an epoch", "sample")
    yield project.step("100 training batches of 64 clips", "batch")
    yield project.step("write the scores of a stream", "predict", written=SCORES / "joint.npz")
    yield project.step("read the scores of a stream", "read_scores")
    yield project.stage("ensemble", "ensemble", FUSED_SCORES)
    yield project.stage("evaluate", "evaluate", REPORTS)
    yield project.size("its page", PAGE)
    yield project.size("its confusion.csv", CONFUSION)
    yield project.step("record three results in MLflow", "record", written=DATABASE)
    yield project.step("hash the fused scores as DVC does", "hash_scores")


def comparison(project: Project, clips: int, classes: int) -> Iterator[Row]:
    """The steps of a comparison: ten methods from three seeds."""
    yield f"**{clips:,} test clips, {classes:,} classes, 33 runs, 3 fusions**", "", "", "", ""
    project.step("", "store", clips, classes)
    project.stage("", "subsample")
    yield project.step("write the scores of two runs", "score")
    yield project.step("compare", "compare", written=COMPARISON_REPORTS)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:] or (CLIPS, CLASSES)))
