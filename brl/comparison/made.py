"""What made the weights and scores that a comparison keeps: code, machine and arithmetic.

Beside each such file lies a note, `KEY.made`, with one line of JSON for each process that worked on
it: a hash of the code, and the facts of `brl.tracking.machine.surroundings`. A process that ends a
training adds `seconds`, its processor time, and `steps`, those of the whole training.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from brl.comparison.data import Data, weights_file
from brl.comparison.learned import LearnedFusion, learned_fusions
from brl.comparison.plan import Run, key_of
from brl.scores.metrics import overall
from brl.scores.scores import Scores, save_scores
from brl.support.files import sha256, stage_code
from brl.tracking.machine import surroundings
from brl.tracking.notes import Line, begin_note, read_note, write_note


@dataclass(frozen=True)
class Code:
    """Hashes of the present code.

    training    of a training from random weights
    pretrained  of one with the pre-training before it
    scoring     of what follows until there are scores
    fusing      of what follows until a learned fusion has scores; empty if none learns
    """

    training: str
    pretrained: str
    scoring: str
    fusing: str = ""

    @classmethod
    def of(cls, network: str, *, learns: bool = False) -> "Code":
        """The code in brl/ of the stages of a network; learns: whether a fusion learns."""

        def hashed(*stages: str) -> str:
            files = {path for stage in stages for path in stage_code(stage, network)}
            return key_of([sha256(path) for path in sorted(files) if path.parts[0] == "brl"])

        scoring = ("classify", "predict")
        fusing = hashed(*scoring, "unseen", "ensemble") if learns else ""
        return cls(hashed("train"), hashed("pretrain", "train"), hashed(*scoring), fusing)

    def of_training(self, run: Run) -> str:
        """That of the training of a run."""
        return self.pretrained if run.job.pretrain else self.training


def present_code(runs: list[Run]) -> dict[str, Code]:
    """The present code of each network in these runs."""
    learns = any(run.params.ensemble.learns for run in runs)
    return {network: Code.of(network, learns=learns) for network in {run.network for run in runs}}


def code_of(fusion: LearnedFusion, present: dict[str, Code]) -> str:
    """The present code of a learned fusion: that of all networks of its streams."""
    networks = {run.network for run in fusion.runs}
    return key_of([present[network].fusing for network in sorted(networks)])


def kept_files(runs: list[Run], data: Data) -> tuple[dict[Path, Run], dict[Path, Run]]:
    """The weights and scores of finished runs and learned fusions, each file with one of its runs.

    Scores that were restored from a report have a note on their weights, but no weights.
    """
    scores = {data.scores_file(run): run for run in runs if data.scores_file(run).exists()}
    trained = list(scores.values())
    for fusion in learned_fusions(runs):
        if (file := data.fused_file(fusion)).exists():
            scores[file] = fusion.runs[0]
            trained += fusion.further
    weights = {weights_file(data.trained_key(run)): run for run in trained}
    return {file: run for file, run in weights.items() if file.exists() or noted(file)}, scores


def made_by_other_code(runs: list[Run], data: Data) -> tuple[int, int]:
    """The numbers of finished weights and scores that were not made by the present code alone.

    Files without a note count as made by other code.
    """
    present = present_code(runs)
    trained, scored = kept_files(runs, data)
    fusing = {data.fused_file(each): code_of(each, present) for each in learned_fusions(runs)}
    return (
        sum(
            not is_of(file, present[run.network].of_training(run)) for file, run in trained.items()
        ),
        sum(
            not is_of(file, fusing.get(file, present[run.network].scoring))
            for file, run in scored.items()
        ),
    )


def keep_scores(file: Path, scores: Scores, code: str, precision: str) -> str:
    """Writes scores with a note; returns their accuracy in words."""
    save_scores(file, scores)
    note(file, code, predict=precision)
    numbers = overall(scores.predictions)
    return f"top-1 {numbers['top1']:.1f}, mean class {numbers['mean_class']:.1f}"


def note(file: Path, code: str, *, resumes: bool = False, **precisions: str) -> None:
    """Notes that this process makes a file with some code; see `surroundings` for precisions.

    resumes: whether it goes on with the work of another process, whose line stays.
    """
    line = {"code": code} | surroundings(**precisions)
    begin_note(note_of(file), line, resumes=resumes)


def note_end(file: Path, seconds: float, steps: float) -> None:
    """Notes the processor time of this process, whose line is the last one, and all steps."""
    *others, own = noted(file)
    write_note(
        note_of(file), [*others, own | {"seconds": f"{seconds:.2f}", "steps": f"{steps:.0f}"}]
    )


def note_of(file: Path) -> Path:
    """The path of a file's note."""
    return file.with_suffix(".made")


def noted(file: Path) -> list[Line]:
    """The lines of a file's note, see `read_note`."""
    return read_note(note_of(file))


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
