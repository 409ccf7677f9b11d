"""The training of the mixer, and its probabilities."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from brl.clips.store import ClipStore
from brl.config.params import PredictParams
from brl.mixer.features import batches, unseen_features
from brl.mixer.network import Mixer
from brl.prediction import mean_of_views
from brl.streams.device import best_device, keep_freed_memory
from brl.streams.inputs import Inputs
from brl.streams.weights import Trained
from brl.support.progress import progress
from brl.unseen.clips import Unseen

# Our reading: the paper's recipe is not known to us.
EPOCHS, BATCH_SIZE, LR, WEIGHT_DECAY = 30, 64, 1e-3, 1e-2


class Networks(NamedTuple):
    """The networks of a stream: its own, and the files of those trained without each fold."""

    own: Trained
    folds: Mapping[int, Path]


def mix(
    streams: Mapping[str, Networks],
    store: ClipStore,
    unseen: Unseen,
    counts: np.ndarray,
    clips: np.ndarray,
    params: PredictParams,
    seed: int,
) -> tuple[Mixer, np.ndarray]:
    """A mixer that has learned from the unseen clips, and its probabilities of others.

    counts (C,), training clips of each class; clips (n,), store indices of the others. Returns the
    mixer and float32 (n, C).
    """
    features = {
        name: unseen_features(each.own, each.folds, store, unseen, params)
        for name, each in streams.items()
    }
    mixer = fit_mixer(features, store.labels[unseen.clips], counts, seed)
    own, device = {name: each.own for name, each in streams.items()}, best_device()
    inputs = {name: each.recipe.inputs(store, clips, device) for name, each in own.items()}
    return mixer, mixed_probabilities(mixer, own, inputs, params)


def fit_mixer(
    features: Mapping[str, np.ndarray], labels: np.ndarray, counts: np.ndarray, seed: int
) -> Mixer:
    """A mixer that is trained on frame features of clips that the streams' networks did not see.

    features (n, I, T', C') of each stream, I test views; labels (n,); counts (C,), training clips
    of each class. In each epoch one view of each clip is shown, the same to all streams. The loss
    is cross-entropy of z + log n_c (balanced softmax, arXiv 2007.10740).

    Returns it on the CPU, in eval mode.
    """
    keep_freed_memory()
    device = best_device()
    torch.manual_seed(seed)
    generator = Generator().manual_seed(seed)
    channels = {name: each.shape[-1] for name, each in features.items()}
    steps = max(each.shape[2] for each in features.values())
    mixer = Mixer(channels, steps, len(counts)).to(device).train()
    optimizer = torch.optim.AdamW(mixer.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    log_counts = torch.tensor(counts).double().log().float().to(device)
    rows = {name: torch.from_numpy(each) for name, each in features.items()}
    targets = torch.from_numpy(labels)
    clips, views = next(iter(rows.values())).shape[:2]
    for _ in progress(range(EPOCHS), "epochs"):
        view = torch.randint(views, (clips,), generator=generator)
        order = torch.randperm(clips, generator=generator)
        for batch in order.tensor_split(-(-clips // BATCH_SIZE)):
            shown = {name: each[batch, view[batch]].to(device) for name, each in rows.items()}
            logits = mixer(shown) + log_counts
            optimizer.zero_grad()
            F.cross_entropy(logits, targets[batch].to(device)).backward()
            optimizer.step()
    return mixer.cpu().eval()


def mixed_probabilities(
    mixer: Mixer, streams: dict[str, Trained], inputs: dict[str, Inputs], params: PredictParams
) -> np.ndarray:
    """Class probabilities (n, C) float32 of n clips, the mean over their test views."""
    keep_freed_memory()
    mixer = mixer.to(next(iter(inputs.values())).device)
    rows: list[Tensor] = []
    for features in batches(streams, inputs, params):
        clips = len(next(iter(features.values())))
        with torch.inference_mode():
            logits = mixer({name: each.flatten(0, 1) for name, each in features.items()})
            rows.append(mean_of_views(logits, clips, logits.shape[1]).cpu())
    return torch.cat(rows).numpy()
