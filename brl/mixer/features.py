"""Frame features: what the mixer sees of clips, also of those that no network was trained on."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from brl.clips.store import ClipStore
from brl.config.params import PredictParams
from brl.models.common.network import Network, by_clip
from brl.streams.device import arithmetic, best_device
from brl.streams.inputs import Inputs
from brl.streams.weights import Trained, load_weights
from brl.support.progress import progress
from brl.unseen.clips import Unseen


def frame_features(network: Network, clips: Tensor, present: Tensor) -> Tensor:
    """The last features, averaged over joints and present bodies: (N, T', C') float32.

    clips (N, M, T, V, K), present (N, M) bool. The network must be in eval mode.
    """
    features = joint_means(network, network.backbone.data_bn.normalise(clips, present))
    return over_present(by_clip(features.flatten(1), present), present).unflatten(
        1, features.shape[1:]
    )


def every_body_frame_features(network: Network, clips: Tensor, present: Tensor) -> Tensor:
    """`frame_features`, but absent bodies are computed, too, so that no shape depends on them."""
    features = joint_means(network, network.backbone.data_bn.normalise_every(clips))
    by_body = features.flatten(1).unflatten(0, clips.shape[:2])
    return over_present(by_body * present[..., None], present).unflatten(1, features.shape[1:])


def joint_means(network: Network, bodies: Tensor) -> Tensor:
    """Means over the joints of normalised bodies (B, T, V, K): (B, T', C') float32."""
    return network.backbone(bodies).mean(dim=2, dtype=torch.float32)


def over_present(by_body: Tensor, present: Tensor) -> Tensor:
    """The mean (N, D) over present bodies (N, M) of values (N, M, D), zero for absent ones."""
    bodies = present.sum(dim=1, keepdim=True)
    return by_body.sum(dim=1) / bodies.to(by_body.device, non_blocking=True)


def batches(
    streams: dict[str, Trained], inputs: dict[str, Inputs], params: PredictParams
) -> Iterator[dict[str, Tensor]]:
    """Each stream's frame features (N, I, T', C') of the I test views of N clips, batch by batch.

    Moves the networks to the device of the inputs, and puts them into eval mode.
    """
    first = next(iter(inputs.values()))
    models = {name: each.model.to(first.device).eval() for name, each in streams.items()}
    size = max(1, params.batch_size // params.num_clips)
    indices = torch.arange(len(first)).split(size)
    for batch in progress(indices, "batches"):
        with torch.inference_mode(), arithmetic(params.precision, first.device):
            features = {
                name: frame_features(model, *inputs[name].test_batch(batch, params.num_clips))
                for name, model in models.items()
            }
        yield {name: each.unflatten(0, (len(batch), -1)) for name, each in features.items()}


def features_of(
    trained: Trained, store: ClipStore, clips: np.ndarray, params: PredictParams
) -> np.ndarray:
    """A stream's frame features (n, I, T', C') float32 of the I test views of clips (n,)."""
    name = trained.recipe.stream.name
    inputs = {name: trained.recipe.inputs(store, clips, best_device())}
    rows = [features[name] for features in batches({name: trained}, inputs, params)]
    return torch.cat(rows).cpu().numpy()


def unseen_features(
    trained: Trained,
    folds: Mapping[int, Path],
    store: ClipStore,
    unseen: Unseen,
    params: PredictParams,
) -> np.ndarray:
    """Frame features (u, I, T', C') of the unseen clips, as the stream's own network has them.

    Features of two networks have nothing in common. So those of a fold's network are mapped to the
    own network's, by the linear map that fits best where both have seen the clips. It is found by
    scikit-learn's ridge regression, and reads no label. This is our choice.

    trained: the own network; folds: the files of the others, by their folds.
    """
    own = features_of(trained, store, unseen.clips, params)
    if not folds:
        return own
    rows = np.empty_like(own)
    for number, file in folds.items():
        features = features_of(load_weights(file), store, unseen.clips, params)
        left_out = unseen.folds == number
        rows[left_out] = mapped(features, own, left_out)
    return rows


def mapped(features: np.ndarray, own: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """The features of left-out clips, mapped as fits best for the other clips: (m, I, T', C').

    features and own (u, I, T', C'): of a fold's and of the own network; left_out (u,) bool.
    """
    from sklearn.linear_model import Ridge  # slow to import, and rarely needed

    width, chosen = own.shape[-1], features[left_out]
    ridge = Ridge()
    ridge.fit(*(each[~left_out].reshape(-1, width) for each in (features, own)))
    return ridge.predict(chosen.reshape(-1, width)).reshape(chosen.shape)
