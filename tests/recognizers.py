"""Recognizers of untrained networks: their probabilities are arbitrary but reproducible."""

from pathlib import Path

import torch

from brl.clips.layout import Layout
from brl.clips.layouts import NW_UCLA20
from brl.clips.normalize import Normalization
from brl.config.params import EnsembleParams, ModelParams, read_params
from brl.config.streams import MODALITIES
from brl.serving.recognizer import Recognizer
from brl.streams.stream import Stream
from brl.streams.weights import Recipe, Trained
from tests.conftest import STREAMS

PARAMS = read_params(Path("params.yaml"))
ENSEMBLE = EnsembleParams(kind="weighted", weights={"joint": 2.0, "hands": 1.0})
# The second sees two modalities of a part of the body.
HANDS = Stream("hands", (MODALITIES["skip_motion"], MODALITIES["bone"]), "hand")
SEEN = {"joint": STREAMS["joint"], "hands": HANDS}
SMALL = {"base_channels": 6, "blocks": [1, 1]}


def untrained(
    layout: Layout = NW_UCLA20,
    normalization: Normalization = Normalization("center"),  # noqa: B008  # frozen
    max_bodies: int = 1,
    classes: list[str] | None = None,
    model: ModelParams = PARAMS.model.model_copy(update=SMALL),  # noqa: B008  # frozen
    **train: object,
) -> Recognizer:
    """Two streams with random weights and random statistics in batch norms.

    train: changes to the train section of params.yaml.
    """
    streams = {}
    for seed, name in enumerate(ENSEMBLE.weights):
        recipe = Recipe(
            stream=SEEN[name],
            layout=layout,
            normalization=normalization,
            channels=layout.channels,
            max_bodies=max_bodies,
            classes=classes or ["first", "second", "third"],
            model=model,
            train=PARAMS.train.model_copy(update={"precision": "float32", "clip_len": 8, **train}),
        )
        torch.manual_seed(seed)
        network = recipe.build()
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2)
        network.eval()
        with torch.no_grad():  # logits of about 1, so that probabilities differ
            joints, channels = recipe.seen_layout.num_joints, recipe.seen_channels
            shape = (1, max_bodies, 8, joints, channels)
            present = torch.ones(1, max_bodies, dtype=torch.bool)
            features = network.clip_features(torch.randn(shape), present)
            network.cls_head.fc_cls.weight.normal_().div_(features.norm())
        streams[name] = Trained(recipe, network)
    predict = PARAMS.predict.model_copy(update={"precision": "float32"})
    return Recognizer(streams, ENSEMBLE, predict)
