"""Short descriptions of a run: its data and its method."""

from brl.config.params import EnsembleParams, Params
from brl.support.paths import DATASET_NAME


def data_in_words(params: Params) -> str:
    """The dataset, its split and its imbalance."""
    subsample = params.subsample
    tail = "natural distribution"
    if subsample.list_file:
        tail = f"subset of {subsample.list_file}"
    elif subsample.profile != "natural":
        shape = "" if subsample.profile == "exp" else " in steps"
        tail = f"long-tailed{shape} at factor {subsample.imbalance_factor:g}"
    chosen = f"{len(subsample.classes)} of its classes, " if subsample.classes else ""
    return f"{dataset_name(params)} ({params.dataset.split}), {chosen}{tail}"


def dataset_name(params: Params) -> str:
    """What the dataset is called: as its description says, if it is the user's own and says so."""
    own = ""
    if params.dataset.name == "custom" and DATASET_NAME.exists():
        own = DATASET_NAME.read_text(encoding="utf-8").strip()
    return own or params.dataset.name


def method_in_words(params: Params) -> str:
    """The loss and the other parts of the method that are switched on."""
    method, classifier = params.method, params.classifier.kind
    words = [method.loss.replace("_", "-")]
    if method.class_weights != "none":
        words.append(f"{method.class_weights.replace('_', '-')} weights")
    if method.sampler != "instance":
        words.append(f"{method.sampler.replace('_', '-')} sampling")
    if method.mix != "none":
        words.append(f"{method.mix.replace('_', ' ')} mixing")
    if method.reverse != "none":
        words.append(f"reversal ({method.reverse})")
    if method.prototypes:
        words.append("graph prototypes")
    if pretraining := pretraining_in_words(params):
        words.append(f"after {pretraining}")
    if classifier != "none":
        words.append(f"{classifier.replace('_', '-')} after training")
    return ", ".join(words)


def fusion_in_words(ensemble: EnsembleParams) -> str:
    """The kind of a fusion that learns, and from which clips."""
    part = f"{ensemble.folds} folds" if ensemble.folds else f"{100 * ensemble.held_out:g} % of them"
    return f"{ensemble.kind} fusion, learned from unseen training clips: {part}"


def pretraining_in_words(params: Params) -> str:
    """The kind of the pre-training; empty without one."""
    kind = params.pretrain.kind if params.pretrain else "none"
    return "" if kind == "none" else f"{kind} pre-training"
