"""The clips of a comparison, and the files of its results with the keys that name them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brl.balance.holdout import hold_out
from brl.clips.store import ClipStore
from brl.comparison.learned import LearnedFusion
from brl.comparison.plan import Run, key_of
from brl.pretraining.encoder import Pretraining
from brl.streams.pictures import digest_of
from brl.subset.subset import Subset, read_subset, read_summary
from brl.support.errors import UserError
from brl.support.files import project_root
from brl.support.paths import STORE, SUBSET
from brl.unseen.clips import Unseen, divide, without


@dataclass(frozen=True)
class Data:
    """The clips of a comparison: the store and the training subset, with its hash and summary."""

    store: ClipStore
    subset: Subset
    digest: str
    summary: dict[str, float]

    @classmethod
    def read(cls) -> "Data":
        """Reads what `dvc repro subsample` wrote."""
        store = ClipStore.open(STORE)
        return cls(store, read_subset(SUBSET, store), *read_summary(SUBSET))

    def trained_key(self, run: Run) -> str:
        """The key of a training: a hash of its job and its data."""
        job = run.job
        of_job = [*job.stream.seen, job.seed, job.lr]
        of_job += [job.model, job.method, job.train]
        share = run.params.train.validation
        left_out = (f", {share} held out" if share else "") + run.left_out
        started = [self.encoder_key(run)] if job.pretrain else []
        seen = digest_of(job.stream)
        return key_of(*of_job, self.store.digest, self.digest + left_out, *started, *seen)

    def encoder_key(self, run: Run) -> str:
        """The key of the pre-trained encoder that a run starts from."""
        clips: list[Any] = [run.params.dataset.split]
        if run.job.pretrain and run.job.pretrain.clips == "subset":
            clips = [self.digest, run.params.train.validation]
            clips += [run.left_out] if run.left_out else []
        return key_of(*Pretraining.of(run.job).identity, self.store.digest, *clips)

    def names_of(self, runs: list[Run]) -> frozenset[str]:
        """The names, without suffix, of all that is kept of runs: encoders, weights, scores."""
        names = {
            name for run in runs for name in (self.trained_key(run), self.scores_file(run).stem)
        }
        return frozenset(names | {self.encoder_key(run) for run in runs if run.job.pretrain})

    def pretraining_clips(self, run: Run) -> np.ndarray:
        """The store indices (n,) of the clips on which a run's encoder is pre-trained.

        Those that judge the run are not among them, nor those that it is trained without.
        """
        if run.job.pretrain and run.job.pretrain.clips == "split":
            return self.store.part(run.params.dataset.split, "train")
        return self.parts(run)[0].clips

    def scores_file(self, run: Run) -> Path:
        """The file for a run's scores."""
        params = run.params
        parts = [self.trained_key(run), params.classifier, params.predict, params.dataset.split]
        parts += [] if run.unseen is None else [run.unseen]
        return folder() / "scores" / f"{key_of(*parts)}.npz"

    def fused_file(self, fusion: LearnedFusion) -> Path:
        """The file for the scores of a learned fusion."""
        streams = [[run.stream, self.scores_file(run).stem] for run in fusion.runs]
        unseen = [self.scores_file(run).stem for run in fusion.unseen]
        return folder() / "fused" / f"{key_of(fusion.kind, streams, unseen)}.npz"

    def parts(self, run: Run) -> tuple[Subset, np.ndarray]:
        """The training part of a run, and the indices of the clips that it scores, (N,)."""
        if not run.params.ensemble.learns:
            return self.judged(run)
        training, unseen = self.divided(run)
        if run.unseen is None:
            return training, self.judged(run)[1]
        clips = unseen.of(run.unseen)
        return without(self.store, training, clips), clips

    def divided(self, run: Run) -> tuple[Subset, Unseen]:
        """What a method with a learned fusion trains its streams on, and what that learns from.

        Both are of the clips that do not judge. Raises UserError if a class has too few of them.
        """
        whole, ensemble = self.judged(run)[0], run.params.ensemble
        place = f"comparison: {run.method}"
        return divide(self.store, whole, ensemble, run.params.subsample.seed, place)

    def judged(self, run: Run) -> tuple[Subset, np.ndarray]:
        """The clips that do not judge a run's method, and the indices of those that do, (N,).

        These are the test clips, unless a validation part is held out. Then methods and settings
        are being chosen: they are judged by that part, test clips are not used, and the weights
        are those of the last epoch. The best epoch by that part would be judged by the maximum of
        a curve, which flatters methods with restless curves.
        """
        share = run.params.train.validation
        if share == 0:
            return self.subset, self.store.part(run.params.dataset.split, "test")
        training, held_out = hold_out(self.store, self.subset, share, run.seed)
        return training, held_out.clips

    def check_fusions(self, fusions: list[LearnedFusion]) -> None:
        """Raises UserError if a class has too few clips for a fusion to learn from."""
        for fusion in fusions:
            self.divided(fusion.runs[0])

    def check_classes(self, names: list[str]) -> None:
        """Raises UserError if a name is not that of a class."""
        for name in names:
            if name not in self.store.classes:
                known = ", ".join(self.store.classes)
                raise UserError(f"comparison: without_classes: no class {name!r}; known: {known}")


def folder() -> Path:
    """The folder of finished and unfinished runs."""
    return project_root() / ".comparison"


def files_named(names: frozenset[str]) -> list[Path]:
    """The results that are there whose names, without suffix, are among these."""
    places = [folder() / place for place in ("pretrained", "trained", "scores", "fused")]
    return sorted(file for place in places for file in place.glob("*") if file.stem in names)


def unfinished_folder() -> Path:
    """The folder of the checkpoints KEY.pt of interrupted trainings."""
    return folder() / "unfinished"


def unfinished_checkpoint(key: str) -> Path:
    """The checkpoint of an interrupted training, whose lock the process has that computes it."""
    return unfinished_folder() / f"{key}.pt"


def weights_file(key: str) -> Path:
    """The file for a training's weights."""
    return folder() / "trained" / f"{key}.safetensors"


def encoder_file(key: str) -> Path:
    """The file for a pre-trained encoder."""
    return folder() / "pretrained" / f"{key}.safetensors"
