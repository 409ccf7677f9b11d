"""All datasets by `dataset.name`."""

from brl.datasets import kinetics, msr_action3d, nw_ucla, penn_action, pyskl, utd_mhad
from brl.datasets.ntu import raw as ntu_raw
from brl.datasets.own import source as own
from brl.datasets.source import Source
from brl.datasets.synthetic import source as builtin
from brl.support.errors import UserError

SOURCES: dict[str, Source] = {
    "synthetic": builtin.SOURCE,
    "nw_ucla": nw_ucla.SOURCE,
    "utd_mhad": utd_mhad.SOURCE,
    "msr_action3d": msr_action3d.SOURCE,
    "penn_action": penn_action.SOURCE,
    **pyskl.SOURCES,
    "ntu60_raw": ntu_raw.NTU60_RAW,
    "ntu120_raw": ntu_raw.NTU120_RAW,
    "kinetics400": kinetics.SOURCE,
    "custom": own.SOURCE,
}


def source_of(name: str) -> Source:
    """The source of a dataset. Raises UserError where no dataset has that name."""
    if name not in SOURCES:
        known = ", ".join(SOURCES)
        raise UserError(f"params.yaml: dataset.name: unknown dataset {name!r}; known: {known}")
    return SOURCES[name]
