"""Checks params.yaml as a whole before any work: `brl check`."""

from brl.clips.layout import WHOLE_BODY
from brl.clips.store import ClipStore
from brl.config.params import Params, list_path
from brl.config.streams import check_part
from brl.datasets.table import source_of
from brl.support.errors import UserError
from brl.support.paths import STORE


def check(params: Params) -> None:
    """Raises UserError for mistakes that the schema cannot find.

    These are a missing section or key, an unknown dataset or split, mistakes in own data, a list of
    clips outside lists/, a missing checkpoint, and a part that the body does not have. DVC removes
    the outputs of a stage before it runs the stage, so mistakes must be found earlier.
    """
    if params.pretrain is None:
        raise UserError(
            "params.yaml: pretrain: missing; this section is new: brl preset with the name of the "
            "dataset adds it, or copy it from presets/synthetic.yaml"
        )
    for key in ("held_out", "folds"):
        if key not in params.ensemble.model_fields_set:
            raise UserError(
                f"params.yaml: ensemble.{key}: missing; this key is new: brl preset with the name "
                "of the dataset adds it, or copy it from presets/synthetic.yaml"
            )
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
    check_parts(params)


def check_parts(params: Params) -> None:
    """Raises UserError where a stream sees a part of the body that the prepared clips lack.

    Without prepared clips of this dataset the training finds the mistake.
    """
    parts = {name: each.part for name, each in params.streams.items() if each.part != WHOLE_BODY}
    if not parts or not (STORE / "meta.json").exists():
        return
    store = ClipStore.open(STORE)
    for name, part in parts.items():
        if store.meta["dataset"] == params.dataset.name:
            check_part(store.layout, name, part)
