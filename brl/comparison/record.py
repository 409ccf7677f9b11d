"""Records the results of a comparison in MLflow."""

from dataclasses import replace
from functools import partial

import pandas as pd

from brl.comparison.fusions import Fusions, fusions_of
from brl.comparison.learned import learned_fusions
from brl.comparison.made import facts, kept_files
from brl.comparison.plan import Run
from brl.comparison.results import Scored
from brl.comparison.run import Data, compared, weights_file
from brl.support.files import sha256
from brl.tracking.description import Description, of_pipeline, of_stream, of_training
from brl.tracking.results import Result, Weights, adopt, record_fused, record_stream
from brl.tracking.runs import Runs
from brl.tracking.store import enabled
from brl.tracking.unsent import recorded

# Clips that were held out of the training set are no test clips: their accuracy has another name.
TESTED, HELD_OUT = "accuracy", "held_out"


def record(scored: list[Scored], runs: list[Run], data: Data, comparison: str) -> None:
    """Records one run for each result: of a stream, or of a fusion, of a method from a seed."""
    if not enabled():
        return
    recorded(partial(record_in, scored=scored, runs=runs, data=data, comparison=comparison))


def record_in(
    store: Runs, scored: list[Scored], runs: list[Run], data: Data, comparison: str
) -> None:
    """Records the results in a store, unless it has them. Raises what the store raises."""
    fusions = fusions_of(runs)
    by_seed: dict[tuple[str, int], dict[str, Scored]] = {}
    for one in scored:
        by_seed.setdefault((one.method, one.seed), {})[one.source] = one
    for (method, seed), by_source in by_seed.items():
        of_seed = [run for run in runs if (run.method, run.seed) == (method, seed)]
        record_seed(store, by_source, of_seed, fusions[method], data, comparison)


def record_seed(
    store: Runs,
    by_source: dict[str, Scored],
    runs: list[Run],
    fusions: Fusions,
    data: Data,
    comparison: str,
) -> None:
    """Records the results of a method from a seed; streams are shown below the largest fusion."""
    of_streams: dict[str, str] = {}
    for run in runs:
        if run.stream in by_source:
            about = with_facts(compared(of_stream, run, data, comparison), [run], data)
            digest = about.digest(sha256(data.scores_file(run)))
            result = result_of(about, digest, by_source[run.stream], run, data)
            weights = weights_of(run, data, comparison)
            of_streams[run.stream] = record_stream(store, result, weights)
    fused: list[str] = []
    for source, streams in fusions.items():
        if source in by_source:
            members = {stream: of_streams[stream] for stream in streams}
            fused_runs = [run for run in runs if run.stream in members]
            about = with_facts(fusion(source, fused_runs, data, comparison), fused_runs, data)
            files = [data.scores_file(run) for run in fused_runs]
            files += [data.fused_file(each) for each in learned_fusions(fused_runs)]
            digest = about.digest(*map(sha256, files))
            result = result_of(about, digest, by_source[source], runs[0], data)
            fused.append(record_fused(store, result, members, {}))
    if fused:
        # A fusion under two names is one run, which is not below itself.
        smaller = [each for each in fused if each != fused[-1]]
        adopt(store, fused[-1], [*of_streams.values(), *smaller], again=True)


def fusion(source: str, runs: list[Run], data: Data, comparison: str) -> Description:
    """The description of a fusion; runs: of its streams."""
    run = runs[0]
    of_run = compared(of_stream, run, data, comparison)
    name = f"{comparison}: {run.method} {source}, seed {run.seed}"
    about = of_pipeline(run.params, of_run.subset, name)
    tags = of_run.tags | {"streams": ", ".join(each.stream for each in runs)}
    return replace(about, kind="compared", tags=tags)


def with_facts(about: Description, runs: list[Run], data: Data) -> Description:
    """The description with the machines and versions that computed these runs."""
    files = [file for kept in kept_files(runs, data) for file in kept]
    return replace(about, tags=about.tags | facts(files))


def result_of(about: Description, digest: str, scored: Scored, run: Run, data: Data) -> Result:
    """The result of a stream or of a fusion."""
    classes = pd.DataFrame({"class": data.store.classes, "train_clips": data.subset.counts})
    part = HELD_OUT if run.params.train.validation else TESTED
    return Result.of(about, digest, scored.clips, classes, run.params.evaluate, part)


def weights_of(run: Run, data: Data, comparison: str) -> Weights:
    """The weights of a run. Those with a changed classifier are not kept: they have no hash."""
    file = weights_file(data.trained_key(run))
    trained = sha256(file) if file.exists() else ""
    changed = run.params.classifier.kind != "none"
    curve = file.with_suffix(".csv")
    return Weights(
        training=compared(of_training, run, data, comparison),
        trained=trained,
        tested="" if changed else trained,
        file=None if changed else file,
        curve=pd.read_csv(curve) if curve.exists() else pd.DataFrame(),
    )
