"""Checkpoints, from which interrupted trainings resume."""

import hashlib
import json
from pathlib import Path
from typing import Any

from brl.streams.stream import Stream
from brl.support.files import project_root, sha256, stage_code
from brl.training.job import Job


def fingerprint(job: Job, data: list[str]) -> str:
    """Hash of all that a training depends on: job, data hashes, and the code listed in dvc.yaml.

    It is part of the checkpoint's name, so that an interrupted training resumes and a changed one
    starts from the beginning.
    """
    settings: dict[str, Any] = {"stream": job.stream.seen, "seed": job.seed, "lr": job.lr}
    sections = {name: getattr(job, name).model_dump() for name in ("model", "method", "train")}
    code = [sha256(path) for path in stage_code("train", job.model.name)]
    content = [settings | sections, data, code]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def checkpoints() -> Path:
    """The folder of checkpoints: not an output of a stage, since DVC would remove it."""
    return project_root() / ".checkpoints"


def checkpoint_file(stream: Stream, identity: str) -> Path:
    """The checkpoint file of a training; identity: its fingerprint."""
    return checkpoints() / f"{stream.name}-{identity}.pt"
