"""The table behind the summary: a row for each stream or fusion, dataset and method."""

import pandas as pd

from brl.comparison.fusions import FUSED
from brl.comparison.statistics import holm, interval
from brl.comparison.summary.ranks import ranks
from brl.comparison.summary.reports import COSTS, Reports
from brl.config.streams import MODALITIES
from brl.support.errors import UserError

# Few-shot classes come first: they are what the methods are for.
MEASURES = {"few": "few-shot", "top1": "top-1"}
KEYS = ["what", "dataset", "method"]


def summary_table(reports: Reports) -> pd.DataFrame:
    """The results of all reports, for the first stream and the largest common fusion.

    The index is `what` (the stream or the fusion), `dataset` and `method`. Columns: `seeds`, and
    for each of `MEASURES` its mean over them in %, half its 95 % interval (`_half`), and its rank
    among the methods that all datasets have (`_rank`). The columns of `gains` and `differences`
    follow, with the prefix `reference_` or `control_` for the method that they are relative to.

    Raises UserError if the datasets have no method in common.
    """
    results = shared(reports.results[reports.results["what"].isin(chosen(reports.results))])
    if results.empty:
        raise UserError(f"the reports of {', '.join(reports.datasets)} have no method in common")
    grouped = results.groupby(KEYS, sort=False)
    columns = {"seeds": grouped.size()}
    for measure in MEASURES:
        columns[measure] = grouped[measure].mean().round(4)  # equal ones share a rank
        columns[f"{measure}_half"] = grouped[measure].agg(half_interval)
    table = pd.DataFrame(columns)
    for measure in MEASURES:
        ranked = {
            what: ranks(wide(table, what, measure)).unstack() for what in table.index.unique("what")
        }
        table[f"{measure}_rank"] = pd.concat(ranked, names=["what"])
    others = {"reference": reports.reference, "control": reports.control}
    pairs = among(among(reports.pairs, table), table, method="against")
    told = differences(pairs, [other for other in others.values() if other])
    for role, other in others.items():
        of_role = told[told["against"] == other].drop(columns="against").set_index(KEYS)
        table = table.join(gains(results, other).add_prefix(f"{role}_"))
        table = table.join(of_role.add_prefix(f"{role}_"))
    return table.round(4)


def half_interval(values: pd.Series) -> float:
    """Half the 95 % interval of the mean of values."""
    return interval(values.to_numpy())


def gains(results: pd.DataFrame, other: str | None) -> pd.DataFrame:
    """What methods gain in few-shot accuracy over another one seed by seed, and at what cost.

    Columns, over common seeds: `few` (mean difference in points), `few_half` (half its 95 %
    interval over seeds), `steps` and `minutes` (those of the other are 1).
    """
    is_other = results["method"] == other
    of_other = results[is_other].drop(columns="method")
    both = results[~is_other].merge(
        of_other, on=["what", "dataset", "seed"], suffixes=("", "_of_other")
    )
    both["gain"] = both["few"] - both["few_of_other"]
    for cost in COSTS:
        both[cost] /= both[f"{cost}_of_other"]
    grouped = both.groupby(KEYS, sort=False)
    costs = {cost: grouped[cost].mean() for cost in COSTS}
    few = {"few": grouped["gain"].mean(), "few_half": grouped["gain"].agg(half_interval)}
    return pd.DataFrame(few | costs)


def among(rows: pd.DataFrame, table: pd.DataFrame, method: str = "method") -> pd.DataFrame:
    """The rows whose `what`, `dataset` and method are in the table; method: the method's column."""
    return rows[pd.MultiIndex.from_frame(rows[["what", "dataset", method]]).isin(table.index)]


def chosen(results: pd.DataFrame) -> list[str]:
    """The first stream, and the fusion of most datasets; of several, the largest.

    A fusion counts where two methods have it, so that they can be compared.
    """
    streams = [what for what in results["what"].unique() if what in MODALITIES]
    methods = results.groupby(["what", "dataset"])["method"].nunique()
    datasets = methods[methods > 1].groupby("what").size()
    fusions = sorted(set(FUSED) & set(datasets.index), key=lambda what: (datasets[what], what))
    return [*streams[:1], *fusions[-1:]]


def shared(results: pd.DataFrame) -> pd.DataFrame:
    """Results of methods that two datasets have, or of all as long as there is one dataset.

    A method of one dataset is a matter of its own report.
    """
    datasets = results.groupby("what")["dataset"].transform("nunique")
    of_method = results.groupby(["what", "method"])["dataset"].transform("nunique")
    return results[of_method >= datasets.clip(upper=2)]


def wide(table: pd.DataFrame, what: str, column: str) -> pd.DataFrame:
    """A column of a stream or fusion as (methods, datasets), both in the order of the reports."""
    of_what = table[column].xs(what, level="what")
    methods, datasets = (of_what.index.unique(name) for name in ("method", "dataset"))
    return of_what.unstack("dataset").reindex(index=methods, columns=datasets)


def differences(pairs: pd.DataFrame, others: list[str]) -> pd.DataFrame:
    """Differences of all methods to the others, whichever of the two a pair names first.

    Columns: `KEYS`, `against`, `seeds`, `difference`, `low`, `high`, `p`, and `holm`, the p value
    corrected for the number of pairs, each counted once. With one common seed there is no p: it
    would compare two networks, not two methods.
    """
    told = pairs[pairs["method"].isin(others) | pairs["against"].isin(others)].copy()
    told["p"] = told["p"].where(told["seeds"] > 1)
    known = told["p"].dropna()
    told["holm"] = pd.Series(holm(known.to_numpy()), known.index)
    columns = [*KEYS, "against", "seeds", "difference", "low", "high", "p", "holm"]
    turned = told.assign(
        method=told["against"],
        against=told["method"],
        difference=-told["difference"],
        low=-told["high"],
        high=-told["low"],
    )
    both = pd.concat([told, turned], ignore_index=True)
    return both.loc[both["against"].isin(others), columns]
