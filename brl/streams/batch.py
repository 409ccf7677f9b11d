"""Batches of a clip store's joints: one vectorised gather, no Python per clip."""

import numpy as np
import torch
from torch import Tensor

from brl.clips.store import ClipStore
from brl.streams.device import resident


class Clips:
    """The n chosen clips of a store, ready to be gathered onto a device.

    labels, lengths: (n,) int64 on the device; max_bodies: M of every batch, by default the store's.
    """

    def __init__(
        self,
        store: ClipStore,
        chosen: np.ndarray,
        device: torch.device,
        max_bodies: int | None = None,
    ) -> None:
        self.device = device
        self.layout = store.layout
        self.max_bodies = max_bodies or store.max_bodies
        self.labels = torch.from_numpy(store.labels[chosen]).to(device)
        self.lengths = torch.from_numpy(store.frames[chosen]).to(device)
        # On the CPU it shares the mapped file's memory: nothing is read before it is gathered.
        self._rows = resident(torch.from_numpy(store.rows), device)
        self._starts = torch.from_numpy(store.starts[chosen]).to(device)
        self._bodies = torch.from_numpy(store.bodies[chosen]).to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def present(self, indices: Tensor) -> Tensor:
        """The bodies that are present in clips `indices` (N,), (N, M) bool."""
        slots = torch.arange(self.max_bodies, device=self.device)
        return slots < self._bodies[indices, None]

    def joints(self, indices: Tensor, frames: Tensor) -> Tensor:
        """The given frames (N, T) of clips `indices` (N,), (N, M, T, V, K); absent bodies zero."""
        present = self.present(indices)
        body = torch.arange(self.max_bodies, device=self.device) * present
        first_rows = self._starts[indices, None] + body * self.lengths[indices, None]
        joints = self._gather(first_rows[:, :, None] + frames[:, None, :])
        return joints * present[:, :, None, None, None]

    def all_rows(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """All body frames of clips `indices` (N,), end to end: rows (R, V, K), owners (R,).

        An owner is the row's clip, as a position in `indices`.
        """
        sizes = (self._bodies * self.lengths)[indices]
        owner = torch.repeat_interleave(torch.arange(len(indices), device=self.device), sizes)
        first = sizes.cumsum(0) - sizes
        offset = torch.arange(len(owner), device=self.device) - first[owner]
        return self._gather(self._starts[indices][owner] + offset), owner

    def _gather(self, rows: Tensor) -> Tensor:
        return self._rows[rows.to(self._rows.device)].to(self.device)
