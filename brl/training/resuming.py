"""Checkpoints, from which interrupted trainings resume."""

import hashlib
import json
from pathlib import Path
from typing import Any

from brl.streams.pictures import digest_of
from brl.streams.stream import Stream
from brl.support.files import project_root, sha256, stage_code
from brl.support.paths import pretrained_encoder
from brl.training.job import Job


def fingerprint(job: Job, data: list[str]) -> str:
    """Hash of all that a training depends on: job, data hashes, and the code listed in dvc.yaml.

    It is part of the checkpoint's name, so that an interrupted training resumes and a changed one
    starts from the beginning. data: see `data_hashes`.
    """
    settings: dict[str, Any] = {"stream": job.stream.seen, "seed": job.seed, "lr": job.lr}
    sections = {name: getattr(job, name).model_dump() for name in ("model", "method", "train")}
    return hash_with_code("train", job.model.name, [settings | sections, data])


def data_hashes(job: Job, store: str, subset: str) -> list[str]:
    """The hashes of the data of a training in the pipeline, for `fingerprint`."""
    encoder = pretrained_encoder(job.stream.name)
    started = [sha256(encoder)] if job.pretrain and encoder.exists() else []
    return [store, subset, *started, *digest_of(job.stream)]


def hash_with_code(stage: str, network: str, content: list[Any]) -> str:
    """Hash of JSON content and of the code of a stage, which dvc.yaml lists."""
    code = [sha256(path) for path in stage_code(stage, network)]
    text = json.dumps([*content, code], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def checkpoints() -> Path:
    """The folder of checkpoints: not an output of a stage, since DVC would remove it."""
    return project_root() / ".checkpoints"


def checkpoint_file(stream: Stream, identity: str) -> Path:
    """The checkpoint file of a training; identity: its fingerprint."""
    return checkpoints() / f"{stream.name}-{identity}.pt"
