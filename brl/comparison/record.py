"""The results of a comparison among MLflow's runs."""

from brl.comparison.plan import Run, key_of
from brl.comparison.results import FUSED, Scored
from brl.comparison.run import Data
from brl.report.words import data_in_words
from brl.scores.metrics import accuracy_by_class, headline, shot_groups
from brl.tracking import runs as tracking
from brl.tracking.store import enabled


def record(scored: list[Scored], runs: list[Run], data: Data, comparison: str) -> None:
    """A run a method and seed, once; again where more of its streams are there than before."""
    if not enabled():
        return
    by_seed: dict[tuple[str, int], dict[str, Scored]] = {}
    for one in scored:
        by_seed.setdefault((one.method, one.seed), {})[one.what] = one
    for (method, seed), found in by_seed.items():
        mine = [run for run in runs if (run.method, run.seed) == (method, seed)]
        files = [data.scores_file(run) for run in mine]
        params = mine[0].params
        made_of = [file.name for file in files if file.exists()]
        tracking.record_comparison(
            name=f"{comparison}: {method}, seed {seed}",
            fingerprint=key_of(comparison, method, made_of, params.ensemble, params.evaluate),
            params=params.model_dump(),
            tags={
                "comparison": comparison,
                "method": method,
                "data": data_in_words(params),
                "subset.digest": data.digest,
            },
            metrics=metrics(found, mine[0], data),
        )


def metrics(found: dict[str, Scored], run: Run, data: Data) -> dict[str, float]:
    """`accuracy/…`, classes too, of the largest fusion, or of the first stream where there is none;
    `streams/WHAT/…` of all."""
    groups = shot_groups(data.subset.counts, run.params.evaluate)
    headlines = {what: headline(one.scores, groups) for what, one in found.items()}
    fused = [what for what in FUSED if what in found]
    chosen = fused[-1] if fused else next(iter(found))
    by_class = accuracy_by_class(found[chosen].scores).tolist()
    named = dict(zip(data.store.classes, by_class, strict=True))
    return tracking.accuracy_metrics(headlines[chosen], named) | {
        f"streams/{what}/{name}": value
        for what, numbers in headlines.items()
        for name, value in numbers.items()
        if value is not None
    }
