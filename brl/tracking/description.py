"""What a run is about: its kind, its parameters, its data, and the machine it runs on."""

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brl.config.params import Params
from brl.report.words import method_in_words, pretraining_in_words
from brl.support.files import sha256
from brl.tracking import machine
from brl.tracking.names import data_tag, run_name

# Sections that do not matter to a stream's training, and to a stream's result.
AFTER_TRAINING = ("classifier", "predict", "ensemble", "evaluate")
AFTER_PREDICTION = ("ensemble",)
# Sections that do not matter to an evaluation of an encoder.
WITHOUT_PROBE = ("method", "classifier", "ensemble")
# Of the section `train` of a stream that is not trained: the test clips depend on them.
TEST_CLIPS = ("clip_len", "sampling", "rescale")
# Tags that tell results apart whose parameters are the same.
IDENTIFYING = ("streams", "comparison", "row")


@dataclass(frozen=True)
class SubsetRecord:
    """The training subset as the dataset of a run: dataset name, hash, and summary in numbers."""

    dataset: str
    digest: str
    summary: dict[str, float]

    @property
    def metrics(self) -> dict[str, float]:
        """The summary as metrics."""
        return {f"subset/{name}": value for name, value in self.summary.items()}


@dataclass(frozen=True)
class Description:
    """What a run is about.

    kind    `stream` or `pipeline` (what params.yaml describes), `pretraining` of a stream,
            `probe` (an evaluation of an encoder), `fold` (a training without a part of the clips),
            `compared` (of a comparison)
    name    of the run
    params  all parameters that made its content, nested
    tags    `streams`, `method`, `data`, and those of a comparison
    subset  the training subset
    """

    kind: str
    name: str
    params: dict[str, Any]
    tags: dict[str, str]
    subset: SubsetRecord

    def digest(self, *files: str) -> str:
        """Hash of what is described, and of the files that hold its content, by their hashes."""
        tags = [self.tags.get(name) for name in IDENTIFYING]
        content = [self.kind, tags, self.params, self.subset.digest, files]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def of_training(
    params: Params, stream: str, subset: SubsetRecord, name: str | None = None
) -> Description:
    """The training of a stream; without a name for its run, it says what differs."""
    return _of_stream(params, stream, subset, name, AFTER_TRAINING)


def of_pretraining(
    params: Params, stream: str, subset: SubsetRecord, name: str | None = None
) -> Description:
    """The pre-training of a stream; without a name for its run, it says what differs."""
    about = _of_stream(params, stream, subset, name, ("method", *AFTER_TRAINING))
    content = {key: value for key, value in about.params.items() if key != "lr"}
    content["train"] = {
        key: value for key, value in content["train"].items() if key not in content["pretrain"]
    }
    return replace(
        about,
        kind="pretraining",
        name=f"pre-training of {about.name}",
        params=content,
        tags=about.tags | {"method": pretraining_in_words(params)},
    )


def of_probe(
    params: Params, stream: str, subset: SubsetRecord, evaluation: str, encoder: str
) -> Description:
    """An evaluation of a stream's encoder; encoder: a word for its weights."""
    about = _of_stream(params, stream, subset, None, WITHOUT_PROBE)
    words = f"{evaluation}, {encoder} encoder"
    return replace(
        about,
        kind="probe",
        name=f"{words}: {about.name}",
        params=about.params | {"probe": {"evaluation": evaluation, "encoder": encoder}},
        tags=about.tags | {"method": f"{words} ({pretraining_in_words(params)})"},
    )


def of_fold(params: Params, stream: str, fold: int, subset: SubsetRecord) -> Description:
    """The training of a stream without a fold; subset: the clips outside it."""
    about = of_training(params, stream, subset)
    return replace(about, kind="fold", name=f"without fold {fold}: {about.name}")


def started_by(about: Description, encoder: Path) -> Description:
    """The training, tagged with the hash of its encoder: the `weights.digest` of another run."""
    return replace(about, tags=about.tags | {"pretrained.digest": sha256(encoder)})


def of_stream(
    params: Params, stream: str, subset: SubsetRecord, name: str | None = None
) -> Description:
    """The result of a stream; without a name for its run, it says what differs."""
    return _of_stream(params, stream, subset, name, AFTER_PREDICTION)


def _of_stream(
    params: Params,
    stream: str,
    subset: SubsetRecord,
    name: str | None,
    without: tuple[str, ...],
) -> Description:
    settings = params.streams[stream]
    content = _dumped(params, {"streams", *without})
    content["model"] = params.model_of(stream).model_dump(mode="json")
    seen = settings.model_dump(mode="json", include={"inputs", "part"})
    content |= seen | {"lr": settings.lr or params.train.lr}
    tags = {"streams": stream, "method": method_in_words(params), "data": data_tag(params)}
    if settings.weights:  # nothing of the training is known
        content.pop("method")
        content.pop("lr")
        content.pop("pretrain", None)
        content["train"] = {name: content["train"][name] for name in TEST_CLIPS}
        content["weights"] = settings.weights.model_dump()
        tags |= {"method": f"checkpoint {Path(settings.weights.file).name}", "trained": "elsewhere"}
    name = name or run_name(params, stream, without)
    return Description("stream", name, content, tags, subset)


def of_pipeline(params: Params, subset: SubsetRecord, name: str | None = None) -> Description:
    """The result of all streams together; without a name for its run, it says what differs."""
    tags = {
        "streams": ", ".join(params.streams),
        "method": method_in_words(params),
        "data": data_tag(params),
    }
    return Description("pipeline", name or run_name(params), _dumped(params, set()), tags, subset)


def _dumped(params: Params, without: set[str]) -> dict[str, Any]:
    """The parameters, except the place of the raw files, which differs from machine to machine."""
    content = params.in_use(without)
    content["dataset"].pop("mirror")
    return content


def surroundings(**asked: str) -> dict[str, str]:
    """Tags of a run's environment: DVC stage and experiment, machine and software.

    asked: the precisions that the run asks for, see `machine.surroundings`.
    """
    names = {"dvc.stage": "DVC_STAGE", "dvc.exp": "DVC_EXP_NAME"}
    from_dvc = {tag: os.environ[name] for tag, name in names.items() if name in os.environ}
    return from_dvc | machine.surroundings(**asked)
