"""Records the results of a comparison in MLflow."""

from brl.comparison.made import facts
from brl.comparison.plan import Run, key_of
from brl.comparison.results import FUSED, Scored
from brl.comparison.run import Data, kept_files
from brl.report.words import data_in_words
from brl.scores.metrics import accuracy_by_class, headline, shot_groups
from brl.tracking import runs as tracking
from brl.tracking.store import enabled


def record(scored: list[Scored], runs: list[Run], data: Data, comparison: str) -> None:
    """Records one run for each method and seed, and another one once more streams have scores."""
    if not enabled():
        return
    by_seed: dict[tuple[str, int], dict[str, Scored]] = {}
    for one in scored:
        by_seed.setdefault((one.method, one.seed), {})[one.source] = one
    for (method, seed), by_source in by_seed.items():
        of_seed = [run for run in runs if (run.method, run.seed) == (method, seed)]
        files = [data.scores_file(run) for run in of_seed]
        params = of_seed[0].params
        kept = [file for files in kept_files(of_seed, data) for file in files]
        used_files = [file.name for file in files if file.exists()]
        tracking.record_comparison(
            name=f"{comparison}: {method}, seed {seed}",
            fingerprint=key_of(comparison, method, used_files, params.ensemble, params.evaluate),
            params=params.model_dump(),
            tags=facts(kept)
            | {
                "comparison": comparison,
                "method": method,
                "data": data_in_words(params),
                "subset.digest": data.digest,
            },
            metrics=metrics(by_source, of_seed[0], data),
        )


def metrics(by_source: dict[str, Scored], run: Run, data: Data) -> dict[str, float]:
    """The metrics of a method and seed.

    `accuracy/…`, also by class, belongs to the largest fusion, or to the first stream if nothing
    is fused. `streams/SOURCE/…` holds the headline of each stream and fusion.
    """
    groups = shot_groups(data.subset.counts, run.params.evaluate)
    headlines = {source: headline(one.scores, groups) for source, one in by_source.items()}
    fused = [source for source in FUSED if source in by_source]
    chosen = fused[-1] if fused else next(iter(by_source))
    by_class = accuracy_by_class(by_source[chosen].scores).tolist()
    named = dict(zip(data.store.classes, by_class, strict=True))
    return tracking.accuracy_metrics(headlines[chosen], named) | {
        f"streams/{source}/{name}": value
        for source, numbers in headlines.items()
        for name, value in numbers.items()
        if value is not None
    }
