"""What made the weights and scores that a comparison keeps: code, machine and arithmetic.

Beside each such file lies a note, `KEY.made`, with one line of JSON for each process that worked on
it: a hash of the code, and the facts of `brl.tracking.machine.surroundings`. A process that ends a
training adds `seconds`, its processor time, and `steps`, those of the whole training.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from brl.comparison.plan import Run, key_of
from brl.support.files import sha256, stage_code, written_whole
from brl.tracking.machine import surroundings


@dataclass(frozen=True)
class Code:
    """Hashes of the present code.

    training    of a training from random weights
    pretrained  of one with the pre-training before it
    scoring     of what follows until there are scores
    """

    training: str
    pretrained: str
    scoring: str

    @classmethod
    def of(cls, network: str) -> "Code":
        """The code in brl/ of the stages of a network."""

        def hashed(*stages: str) -> str:
            files = {path for stage in stages for path in stage_code(stage, network)}
            return key_of([sha256(path) for path in sorted(files) if path.parts[0] == "brl"])

        return cls(hashed("train"), hashed("pretrain", "train"), hashed("classify", "predict"))

    def of_training(self, run: Run) -> str:
        """That of the training of a run."""
        return self.pretrained if run.job.pretrain else self.training


def present_code(runs: list[Run]) -> dict[str, Code]:
    """The present code of each network in these runs."""
    return {network: Code.of(network) for network in {run.network for run in runs}}


def note(file: Path, code: str, *, resumes: bool = False, **precisions: str) -> None:
    """Notes that this process makes a file with some code; see `surroundings` for precisions.

    resumes: whether it goes on with the work of another process, whose line stays.
    """
    path = note_of(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a" if resumes else "w", encoding="utf-8") as lines:
        lines.write(json.dumps({"code": code} | surroundings(**precisions)) + "\n")


def note_end(file: Path, seconds: float, steps: float) -> None:
    """Notes the processor time of this process, whose line is the last one, and all steps."""
    *others, own = noted(file)
    write_note(file, [*others, own | {"seconds": f"{seconds:.2f}", "steps": f"{steps:.0f}"}])


def write_note(file: Path, lines: list[dict[str, str]]) -> None:
    """Writes the whole note of a file."""
    with written_whole(note_of(file)) as unfinished:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        unfinished.write_text(text, encoding="utf-8")


def note_of(file: Path) -> Path:
    """The path of a file's note."""
    return file.with_suffix(".made")


def noted(file: Path) -> list[dict[str, str]]:
    """The lines of a file's note; empty if it has none."""
    path = note_of(file)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def steps_of(file: Path) -> float:
    """The steps of a training; NaN where they are not noted."""
    lines = noted(file)
    return float(lines[-1].get("steps", "nan")) if lines else float("nan")


def seconds_of(file: Path) -> float:
    """The processor time of a training in s; NaN if one of its processes did not note its part."""
    seconds = [float(line.get("seconds", "nan")) for line in noted(file)]
    return sum(seconds) if seconds else float("nan")


def is_of(file: Path, code: str) -> bool:
    """Whether a file is noted to be made by this code alone."""
    return {line["code"] for line in noted(file)} == {code}


def facts(files: Iterable[Path]) -> dict[str, str]:
    """What is noted of files, apart from their code; different values of a fact are all named."""
    values: dict[str, dict[str, None]] = {}
    for file in files:
        for line in noted(file):
            for name, value in line.items():
                values.setdefault(name, {})[value] = None
    return {
        name: " | ".join(different)
        for name, different in values.items()
        if name not in ("code", "seconds", "steps")
    }
