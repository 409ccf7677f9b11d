"""Checks params.yaml as a whole before any work: `brl check`."""

from brl.config.params import Params
from brl.datasets.table import source_of
from brl.support.errors import UserError


def check(params: Params) -> None:
    """Raises UserError for mistakes that the schema cannot find.

    These are an unknown dataset or split, mistakes in own data, and a missing checkpoint. DVC
    removes the outputs of a stage before it runs the stage, so mistakes must be found earlier.
    """
    source = source_of(params.dataset.name)
    splits = source.splits
    if splits and params.dataset.split not in splits:
        raise UserError(
            f"params.yaml: dataset.split: {params.dataset.name} has no split "
            f"{params.dataset.split!r}; known: {', '.join(splits)}"
        )
    source.check(params.dataset.mirror)
    for stream in params.streams.values():
        if stream.weights:
            stream.weights.verified()
