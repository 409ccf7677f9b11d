"""From chosen clips to what a network takes: frames, augmentation, stream, in this order."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from brl.clips.layout import Layout
from brl.config.params import TrainParams
from brl.streams.augment import extremes, flip, random_matrices, rescale, transform
from brl.streams.batch import Clips
from brl.streams.frames import evaluation_frames, train_frames
from brl.streams.stream import Stream


class Inputs(Protocol):
    """n clips as a network takes them: all that training, classification and prediction see.

    A batch is a pair of clips (N, M, T, V, K) and present bodies (N, M) bool; indices (N,) name
    the batch's clips among the n.
    """

    @property
    def labels(self) -> Tensor:
        """Class of each clip, (n,) int64."""

    @property
    def lengths(self) -> Tensor:
        """Frames of each clip, (n,) int64."""

    @property
    def device(self) -> torch.device:
        """Where the batches are made."""

    def __len__(self) -> int: ...

    def train_batch(
        self, indices: Tensor, generator: Generator, backwards: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Clips sampled at random in time and augmented, a row each.

        backwards (N,) bool: clips that are played from their last frame to their first.
        """

    def test_batch(self, indices: Tensor, num_clips: int) -> tuple[Tensor, Tensor]:
        """The I test views of each clip, (N I, ...): a clip's views follow each other."""


@dataclass(frozen=True)
class JointInputs:
    """The joints of a store's clips as one stream shows them.

    Every step is a tensor function on the clips' device.
    """

    clips: Clips
    stream: Stream
    params: TrainParams

    @property
    def labels(self) -> Tensor:
        """Class of each clip, (n,) int64."""
        return self.clips.labels

    @property
    def lengths(self) -> Tensor:
        """Frames of each clip, (n,) int64."""
        return self.clips.lengths

    @property
    def device(self) -> torch.device:
        """Where the batches are made."""
        return self.clips.device

    def __len__(self) -> int:
        return len(self.clips)

    def train_batch(
        self, indices: Tensor, generator: Generator, backwards: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Clips sampled at random in time and augmented; see Inputs."""
        augment = self.params.augment
        device = indices.device
        frames = train_frames(
            self.params.sampling, self.lengths[indices], self.params.clip_len, generator
        )
        dimensions = self.clips.layout.dimensions
        matrices = random_matrices(len(indices), augment, device, generator, dimensions)
        flipped = torch.rand(len(indices), device=device, generator=generator) < augment.flip
        return self._batch(indices, frames, matrices, flipped, backwards)

    def test_batch(self, indices: Tensor, num_clips: int) -> tuple[Tensor, Tensor]:
        """The I test views of each clip; see Inputs.

        I is num_clips, or 1 with the evenly spaced frames of `random` sampling.
        """
        lengths, inverse = np.unique(self.lengths[indices].cpu(), return_inverse=True)
        tables = [
            evaluation_frames(self.params.sampling, int(n), self.params.clip_len, num_clips)
            for n in lengths
        ]
        frames = torch.from_numpy(np.stack(tables)[inverse]).to(indices.device)
        return self._batch(indices.repeat_interleave(frames.shape[1]), frames.flatten(0, 1))

    def _batch(
        self,
        indices: Tensor,
        frames: Tensor,
        matrices: Tensor | None = None,
        flipped: Tensor | None = None,
        backwards: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        layout = self.clips.layout
        limits = self._limits(indices, matrices) if self.params.rescale else None
        last = self.lengths[indices, None] - 1

        def joints_at(frames: Tensor) -> Tensor:
            if backwards is not None:
                frames = torch.where(backwards[:, None], last - frames, frames)
            joints = self.clips.joints(indices, frames)
            if matrices is not None:
                joints = transform(joints, matrices)
            if limits is not None:
                joints = rescale(joints, *limits)
            if flipped is not None:
                joints = flip(joints, flipped, self._mirrored, self.params.augment.flip_kind)
            return joints

        present = self.clips.present(indices)
        shown = self.stream.show(layout, joints_at, frames, last)
        return shown * present[:, :, None, None, None], present

    def _limits(self, indices: Tensor, matrices: Tensor | None) -> tuple[Tensor, Tensor]:
        """Extremes of whole clips, not of the sampled frames alone, (N, K) each."""
        rows, owner = self.clips.all_rows(indices)
        if matrices is not None:
            rows = transform(rows, matrices[owner])
        return limits(rows, owner, len(indices), self.clips.layout)

    @property
    def _mirrored(self) -> Tensor:
        return torch.from_numpy(self.clips.layout.mirrored()).to(self.device)


def limits(rows: Tensor, owner: Tensor, count: int, layout: Layout) -> tuple[Tensor, Tensor]:
    """What `rescale` maps to -1 and 1 in each clip: lowest and highest coordinates, (N, K) each.

    rows (R, V, K) body frames, owner (R,) the clip that each belongs to, count N. A score is no
    coordinate: its limits are -1 and 1, so it stays.
    """
    lowest, highest = extremes(rows, owner, count)
    if layout.scored:
        score = torch.arange(rows.shape[-1], device=rows.device) == rows.shape[-1] - 1
        lowest, highest = lowest.masked_fill(score, -1), highest.masked_fill(score, 1)
    return lowest, highest
