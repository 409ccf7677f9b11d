"""Where a training that was interrupted waits to go on."""

import hashlib
import json
from pathlib import Path
from typing import Any

from brl.streams.stream import Stream
from brl.support.files import project_root, sha256, stage_code
from brl.training.job import Job


def fingerprint(job: Job, data: list[str]) -> str:
    """Hash of all that decides a training: the job, its data, and the code as dvc.yaml lists it.

    Names the checkpoint, so that an interrupted training goes on and a changed one does not.
    """
    settings: dict[str, Any] = {"stream": job.stream.name, "hops": job.stream.hops}
    settings |= {"seed": job.seed, "lr": job.lr}
    sections = {name: getattr(job, name).model_dump() for name in ("model", "method", "train")}
    code = [sha256(path) for path in stage_code("train", job.model.name)]
    content = [settings | sections, data, code]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def checkpoints() -> Path:
    """Their folder: outside the stages' outputs, which DVC empties."""
    return project_root() / ".checkpoints"


def checkpoint_file(stream: Stream, identity: str) -> Path:
    """The checkpoint of a training; identity: its fingerprint."""
    return checkpoints() / f"{stream.name}-{identity}.pt"
