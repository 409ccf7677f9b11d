"""The results of the pipeline that are in the workspace, and their runs in MLflow.

DVC restores results without running a stage, so what is there is compared with what is recorded.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from brl.config.params import Params
from brl.scores.scores import load_scores
from brl.subset.subset import SUMMARY_FILE, read_counts, read_summary
from brl.support.errors import UserError
from brl.support.files import sha256
from brl.support.paths import (
    BY_CLASS,
    BY_CLASS_FIGURE,
    CONFUSION,
    FUSED_SCORES,
    LONG_TAIL,
    PAGE,
    SUBSET,
    TRAINING,
    stream_scores,
    tested_weights,
    trained_weights,
    training_curve,
)
from brl.tracking.description import (
    Description,
    SubsetRecord,
    of_pipeline,
    of_stream,
    of_training,
    surroundings,
)
from brl.tracking.names import headline_metrics
from brl.tracking.runs import RESULT, Runs
from brl.tracking.store import enabled, experiment_name, tracking_uri
from brl.tracking.unsent import recorded, waiting

# It takes a second to import: not before something is recorded.
if TYPE_CHECKING:
    from brl.tracking.results import Weights

SQLITE = "sqlite:///"
KNOWN = """
    select count(distinct tags.value) from tags
    join runs using (run_uuid) join experiments using (experiment_id)
    where tags.key = ? and runs.lifecycle_stage = 'active' and experiments.name = ?
    and tags.value in ({})
"""


@dataclass(frozen=True)
class Present:
    """The results in the workspace, as `params` describes them, each with its digest."""

    params: Params
    streams: dict[str, tuple[Description, str]]
    pipeline: tuple[Description, str]

    @classmethod
    def read(cls, params: Params) -> "Present":
        """Reads and hashes the results; raises UserError if one is missing."""
        files = {stream: stream_scores(stream) for stream in params.streams}
        summaries = [each / SUMMARY_FILE for each in (SUBSET, TRAINING)]
        for file in (*summaries, *files.values(), FUSED_SCORES):
            if not file.exists():
                raise UserError(f"{file}: not there yet; make repro writes it")
        subset, trained_on = (
            SubsetRecord(params.dataset.name, *read_summary(each)) for each in (SUBSET, TRAINING)
        )
        streams = {}
        for stream, file in files.items():
            about = of_stream(params, stream, trained_on)
            streams[stream] = about, about.digest(sha256(file))
        about = of_pipeline(params, subset)
        digests = [digest for _, digest in streams.values()]
        return cls(params, streams, (about, about.digest(sha256(FUSED_SCORES), *digests)))

    @property
    def digests(self) -> list[str]:
        """The digests of all results."""
        return [digest for _, digest in (*self.streams.values(), self.pipeline)]


def record(params: Params, evaluated_now: bool = False) -> None:
    """Records the results in the workspace that are not recorded.

    params: those with which they were made. evaluated_now: whether they were evaluated by this
    process; else the machine is not recorded, since nobody knows on which one they were. A store
    that fails is told, and what it lacks is sent later.
    """
    if not enabled():
        return
    present = Present.read(params)
    if are_recorded(present.digests) and not waiting():
        return
    recorded(partial(record_in, present=present, evaluated_now=evaluated_now))


def record_in(runs: Runs, present: Present, evaluated_now: bool = False) -> None:
    """Records results in a store, unless it has them. Raises what the store raises."""
    from brl.tracking.results import Result, adopt, record_fused, record_stream

    params, counts = present.params, read_counts(SUBSET)
    of_streams: dict[str, str] = {}
    metrics: dict[str, float] = {}
    for stream, (about, digest) in present.streams.items():
        scores = load_scores(stream_scores(stream))
        result = Result.of(about, digest, scores.predictions, counts, params.evaluate)
        weights = _weights(params, stream, about.subset, scores.weights_digest)
        of_streams[stream] = record_stream(runs, result, weights)
        metrics |= headline_metrics(result.headline, f"streams/{stream}")
    clips = load_scores(FUSED_SCORES).predictions
    fused = Result.of(*present.pipeline, clips, counts, params.evaluate)
    fused = replace(fused, metrics=fused.metrics | metrics)
    artifacts = (PAGE, BY_CLASS_FIGURE, BY_CLASS, CONFUSION, LONG_TAIL)
    tags = surroundings(predict=params.predict.precision) if evaluated_now else {}
    pipeline = record_fused(runs, fused, of_streams, tags, artifacts)
    # A run has one parent: the first pipeline that used it. Later ones link it by tag.
    adopt(runs, pipeline, list(of_streams.values()))


def _weights(params: Params, stream: str, subset: SubsetRecord, tested: str) -> "Weights":
    """Where a stream's tested weights, of this hash, come from."""
    from brl.tracking.results import Weights

    trained, curve = trained_weights(stream), training_curve(stream)
    return Weights(
        training=of_training(params, stream, subset),
        trained=sha256(trained) if trained.exists() else tested,
        tested=tested,
        file=tested_weights(stream),
        curve=pd.read_csv(curve) if curve.exists() else pd.DataFrame(),
    )


def are_recorded(digests: list[str]) -> bool:
    """Whether a SQLite store has a run of each digest; False for other stores.

    This saves the seconds that the import of MLflow takes, where there is nothing to do.
    """
    uri = tracking_uri()
    if not uri.startswith(SQLITE):
        return False
    file = Path(uri.removeprefix(SQLITE)).absolute().as_uri()
    try:
        with closing(sqlite3.connect(f"{file}?mode=ro", uri=True)) as store:
            query = KNOWN.format(", ".join("?" * len(digests)))
            (known,) = store.execute(query, (RESULT, experiment_name(), *digests)).fetchone()
    except sqlite3.Error:  # no store yet, or one of another version of MLflow
        return False
    return known == len(set(digests))


def find_pipeline(params: Params) -> str:
    """Id of the run of the pipeline in the workspace. Raises UserError if none is recorded."""
    _, digest = Present.read(params).pipeline
    run = Runs().find(f"tags.`{RESULT}` = '{digest}'")
    if run is None:
        raise UserError(
            f"{tracking_uri()}: has no run of the present pipeline; make repro records one, unless "
            "BRL_TRACKING=off"
        )
    return run.info.run_id
