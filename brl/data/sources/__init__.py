"""The table of datasets: the names `dataset.name` knows."""

from brl.data.source import Source
from brl.data.sources import builtin, kinetics, ntu_raw, nw_ucla, own, pyskl
from brl.support.errors import UserError

SOURCES: dict[str, Source] = {
    "synthetic": builtin.SOURCE,
    "nw_ucla": nw_ucla.SOURCE,
    **pyskl.SOURCES,
    "ntu60_raw": ntu_raw.NTU60_RAW,
    "ntu120_raw": ntu_raw.NTU120_RAW,
    "kinetics400": kinetics.SOURCE,
    "custom": own.SOURCE,
}


def source_of(name: str) -> Source:
    """The source of a dataset; UserError where there is none of that name."""
    if name not in SOURCES:
        known = ", ".join(SOURCES)
        raise UserError(f"params.yaml: dataset.name: unknown dataset {name!r}; known: {known}")
    return SOURCES[name]
