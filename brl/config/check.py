"""Checks params.yaml as a whole before any work: `brl check`."""

from brl.config.params import Params, list_path
from brl.datasets.table import source_of
from brl.support.errors import UserError


def check(params: Params) -> None:
    """Raises UserError for mistakes that the schema cannot find.

    These are an unknown dataset or split, mistakes in own data, a list of clips outside lists/, and
    a missing checkpoint. DVC removes the outputs of a stage before it runs the stage, so mistakes
    must be found earlier.
    """
    source = source_of(params.dataset.name)
    splits = source.splits
    if splits and params.dataset.split not in splits:
        raise UserError(
            f"params.yaml: dataset.split: {params.dataset.name} has no split "
            f"{params.dataset.split!r}; known: {', '.join(splits)}"
        )
    source.check(params.dataset.mirror)
    if params.subsample.list_file is not None:
        list_path(params.subsample.list_file)
    for stream in params.streams.values():
        if stream.weights:
            stream.weights.verified()
