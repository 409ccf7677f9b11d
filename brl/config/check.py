"""Checks params.yaml as a whole before any work: `brl check`."""

from brl.clips.layout import Layout
from brl.config.lists import listed_names, not_for_training
from brl.config.networks import LEAST_SIDES, Deformable3DSettings
from brl.config.params import Params
from brl.config.streams import check_halves, check_limbs, check_masked, check_part
from brl.datasets.chosen import chosen_labels
from brl.datasets.source import Contents, Listed
from brl.datasets.table import source_of
from brl.films import films_of
from brl.support.errors import UserError


def check(params: Params) -> None:
    """Raises UserError for mistakes that the schema cannot find.

    These are a missing section or key, an unknown dataset or split, mistakes in own data, a list
    outside lists/ or of other clips, a missing checkpoint, and streams that do not fit the layout.
    DVC removes the outputs of a stage before it runs the stage, so mistakes must be found earlier.
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
    if "classes" not in params.subsample.model_fields_set:
        raise UserError(
            "params.yaml: subsample.classes: missing; this key is new: add the line `classes:`, "
            "which means all classes, to subsample"
        )
    if "clip_grad" not in params.train.model_fields_set:
        raise UserError(
            "params.yaml: train.clip_grad: missing; this key is new: add the line `clip_grad:`, "
            "which means no clipping, to train"
        )
    if "pictures" not in params.model_fields_set:
        raise UserError(
            "params.yaml: pictures: missing; this key is new: add the line `pictures: {}`, which "
            "means no pictures"
        )
    source = source_of(params.dataset.name)
    source.check(params.dataset.mirror)
    listed = source.listed(params.dataset.mirror)
    splits = source.splits or tuple(listed.splits)
    if splits and params.dataset.split not in splits:
        raise UserError(
            f"params.yaml: dataset.split: {params.dataset.name} has no split "
            f"{params.dataset.split!r}; known: {', '.join(splits)}"
        )
    contents = contents_at_hand(params)
    check_list(params, listed)
    for name, pictures in params.pictures.items():
        films_of(params.dataset.name, name).check(params.dataset.mirror, name, pictures.form)
    for stream in params.streams.values():
        if stream.weights:
            stream.weights.verified()
    check_streams(params, contents.layout)


def check_list(params: Params, listed: Listed) -> None:
    """Raises UserError where a list of clips is wrong, as far as their names tell."""
    list_file = params.subsample.list_file
    if list_file is None:
        return
    names = listed_names(list_file)
    classes = source_of(params.dataset.name).contents(params.dataset.mirror).classes
    labels = {None, *chosen_labels(classes, params.subsample.classes)}
    known = listed.splits.get(params.dataset.split)
    training = {*(known["train"] if known else names)}
    wrong = [name for name in names if name not in training or listed.label_of(name) not in labels]
    if wrong:
        raise not_for_training(list_file, names, wrong)


def contents_at_hand(params: Params) -> Contents:
    """Layout and chosen classes of the dataset that params.yaml names, prepared or not.

    Raises UserError for an unknown dataset or class, and for mistakes in the description of own
    data.
    """
    layout, classes = source_of(params.dataset.name).contents(params.dataset.mirror)
    labels = chosen_labels(classes, params.subsample.classes)
    return Contents(layout, tuple(classes[label] for label in labels))


def check_streams(params: Params, layout: Layout) -> None:
    """Raises UserError where what a stream sees, its mixing or its pre-training does not fit."""
    pretrain = params.pretraining
    for name, stream in params.streams.items():
        check_part(layout, name, stream.part)
        if stream.pictures is not None:
            check_pictures(params, name)
        elif stream.weights is None:  # it is trained
            check_halves(layout, name, stream.part, params.method.mix)
            check_limbs(layout, name, stream.part, params.method.mix)
            if pretrain is not None and pretrain.kind == "masked":
                check_masked(layout, name, stream.part, pretrain.masked.parts)


def check_pictures(params: Params, name: str) -> None:
    """Raises UserError where a stream sees pictures and something else would need joints alone."""
    stream = params.streams[name]
    sees = f"streams.{name} sees pictures ({stream.pictures})"
    if stream.weights is not None:
        raise UserError(
            f"params.yaml: {sees}: streams.{name}.weights must be a checkpoint of joints; "
            f"brl weights {name} none trains the stream"
        )
    if params.method.mix.startswith("partial") or params.method.mix == "shap":
        raise UserError(
            f"params.yaml: method.mix: {params.method.mix} mixes parts of bodies, but {sees}; "
            "choose another mix, as `brl preset --method best` does"
        )
    network, side = params.model_of(name), params.pictures[stream.pictures or ""].side
    patch = network.settings.get("patch", Deformable3DSettings().patch)
    if network.name == "deformable3d" and side % patch:
        raise UserError(
            f"params.yaml: pictures.{stream.pictures}.side: {side} is no multiple of {patch}, the "
            f"patch of deformable3d, which {name} sees them with; change it or model.settings.patch"
        )
    if side < (least := LEAST_SIDES.get(network.name, 0)):
        raise UserError(
            f"params.yaml: pictures.{stream.pictures}.side: {side}; must be {least} or more for "
            f"{network.name}, the network of the stream {name}"
        )
    if params.pretraining is not None:
        raise UserError(
            f"params.yaml: pretrain.kind: {params.pretraining.kind} trains on joints alone, but "
            f"{sees}; must be none"
        )
