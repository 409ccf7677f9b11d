"""From chosen clips to what a network takes: frames, augmentation, stream, in this order."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from brl.config.params import TrainParams
from brl.streams.augment import extremes, flip, random_matrices, rescale, transform
from brl.streams.batch import Clips
from brl.streams.frames import evaluation_frames, train_frames
from brl.streams.stream import Stream, motion, offsets


@dataclass(frozen=True)
class Inputs:
    """The batch path of one stream: every step a tensor function on the clips' device.

    Batches are pairs of clips (N, M, T, V, K) and present bodies (N, M).
    """

    clips: Clips
    stream: Stream
    params: TrainParams

    def train_batch(
        self, which: Tensor, generator: Generator, backwards: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Clips `which` (N,), randomly sampled in time and augmented.

        backwards: which of them are played from their last frame to their first, (N,) bool.
        """
        augment = self.params.augment
        device = which.device
        frames = train_frames(
            self.params.sampling, self.clips.lengths[which], self.params.clip_len, generator
        )
        dimensions = self.clips.layout.dimensions
        matrices = random_matrices(len(which), augment, device, generator, dimensions)
        flipped = torch.rand(len(which), device=device, generator=generator) < augment.flip
        return self._batch(which, frames, matrices, flipped, backwards)

    def test_batch(self, which: Tensor, num_clips: int) -> tuple[Tensor, Tensor]:
        """The I test views of each of clips `which` (N,), view after view of one clip: (N I, ...).

        I is num_clips, or 1 with the evenly spaced frames of `random` sampling.
        """
        lengths, inverse = np.unique(self.clips.lengths[which].cpu(), return_inverse=True)
        tables = [
            evaluation_frames(self.params.sampling, int(n), self.params.clip_len, num_clips)
            for n in lengths
        ]
        frames = torch.from_numpy(np.stack(tables)[inverse]).to(which.device)
        return self._batch(which.repeat_interleave(frames.shape[1]), frames.flatten(0, 1))

    def _batch(
        self,
        which: Tensor,
        frames: Tensor,
        matrices: Tensor | None = None,
        flipped: Tensor | None = None,
        backwards: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        limits = self._limits(which, matrices) if self.params.rescale else None
        last = self.clips.lengths[which, None] - 1

        def seen(frames: Tensor) -> Tensor:
            if backwards is not None:
                frames = torch.where(backwards[:, None], last - frames, frames)
            joints = self.clips.joints(which, frames)
            if matrices is not None:
                joints = transform(joints, matrices)
            if limits is not None:
                joints = rescale(joints, *limits)
            if flipped is not None:
                joints = flip(joints, flipped, self._mirrored, self.params.augment.flip_kind)
            return offsets(joints, self.clips.layout, self.stream.hops)

        present = self.clips.present(which)
        batch = seen(frames)
        if self.stream.motion:
            following = seen(torch.minimum(frames + 1, last))
            batch = motion(batch, following, frames == last, self.clips.layout)
        return batch * present[:, :, None, None, None], present

    def _limits(self, which: Tensor, matrices: Tensor | None) -> tuple[Tensor, Tensor]:
        """Extremes of whole clips, not of the sampled frames alone, (N, K) each."""
        rows, owner = self.clips.all_rows(which)
        if matrices is not None:
            rows = transform(rows, matrices[owner])
        lowest, highest = extremes(rows, owner, len(which))
        if self.clips.layout.scored:  # a score is no axis: from [-1, 1] to [-1, 1] it stays
            lowest[:, -1], highest[:, -1] = -1, 1
        return lowest, highest

    @property
    def _mirrored(self) -> Tensor:
        return torch.from_numpy(self.clips.layout.mirrored()).to(self.clips.device)
