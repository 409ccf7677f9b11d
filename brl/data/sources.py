"""The table of datasets: the names `dataset.name` knows."""

from brl.data import builtin, nw_ucla
from brl.data.source import Source

SOURCES: dict[str, Source] = {
    "synthetic": builtin.SOURCE,
    "nw_ucla": nw_ucla.SOURCE,
}
