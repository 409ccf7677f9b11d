"""Trained streams and their ensemble as one: raw joints in, class probabilities out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brl.clips.normalize import normalized, to_image_frame
from brl.config.params import EnsembleParams, Params, PredictParams
from brl.prediction import probabilities
from brl.scores.fusion import fuse
from brl.scores.scores import Scores
from brl.streams.device import best_device, keep_freed_memory
from brl.streams.weights import Recipe, Trained, load_weights, save_weights
from brl.support.errors import UserError
from brl.support.files import written_whole
from brl.support.paths import tested_weights

ARTIFACT = "recognizer"  # the folder's name in an MLflow model
DESCRIPTION = "recognizer.json"


@dataclass(frozen=True)
class Recognizer:
    """What a pipeline has learned.

    streams     at least one, all of one dataset
    ensemble    how they are fused
    predict     how a recording's test views are chosen
    image_size  height and width in pixels, where 2D joints are in pixels; None: they are in the
                image's frame already
    """

    streams: dict[str, Trained]
    ensemble: EnsembleParams
    predict: PredictParams
    image_size: tuple[float, float] | None = None

    @classmethod
    def of_project(
        cls, params: Params, image_size: tuple[float, float] | None = None
    ) -> "Recognizer":
        """What `make repro` left, with the ensemble of `params`.

        Raises UserError where a stream is not trained, or joints are in pixels of no size.
        """
        files: dict[str, Path] = {stream: tested_weights(stream) for stream in params.streams}
        for file in files.values():
            if not file.exists():
                raise UserError(f"{file} is missing; first: make repro")
        streams = {stream: load_weights(file) for stream, file in files.items()}
        recognizer = cls(streams, params.ensemble, params.predict, image_size)
        if recognizer.recipe.normalization.kind == "image" and image_size is None:
            raise UserError("joints in pixels: give their image's size, --image-size WIDTHxHEIGHT")
        return recognizer

    @classmethod
    def load(cls, folder: Path) -> "Recognizer":
        """What `save` wrote."""
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        streams = {
            name: load_weights(folder / f"{name}.safetensors") for name in content["streams"]
        }
        ensemble = EnsembleParams.model_validate(content["ensemble"])
        return cls(streams, ensemble, PredictParams.model_validate(content["predict"]))

    def save(self, folder: Path) -> None:
        """Writes one weights file per stream, and how they work together."""
        content = {
            "streams": list(self.streams),
            "ensemble": self.ensemble.model_dump(),
            "predict": self.predict.model_dump(),
        }
        with written_whole(folder) as unfinished:
            unfinished.mkdir()
            for name, trained in self.streams.items():
                save_weights(unfinished / f"{name}.safetensors", trained)
            text = json.dumps(content, indent=2) + "\n"
            (unfinished / DESCRIPTION).write_text(text, encoding="utf-8")

    @property
    def recipe(self) -> Recipe:
        """What all streams have in common: layout, normalisation, classes."""
        return next(iter(self.streams.values())).recipe

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return self.recipe.classes

    def prepared(self, recording: np.ndarray) -> np.ndarray:
        """A recording (M, T, V, K), as recorded, as the clip store would hold it."""
        recipe = self.recipe
        joints = np.asarray(recording, dtype=np.float32)
        if self.image_size is not None:
            joints = to_image_frame(joints, *self.image_size)
        return normalized(joints, recipe.layout, recipe.normalization, recipe.max_bodies)

    def probabilities(self, recordings: Sequence[np.ndarray]) -> np.ndarray:
        """Class probabilities (n, C) float32 of n recordings (M, T, V, K), T and M its own."""
        return self.of_prepared([self.prepared(recording) for recording in recordings])

    def of_prepared(self, recordings: Sequence[np.ndarray]) -> np.ndarray:
        """The same of what `prepared` gives."""
        keep_freed_memory()
        device = best_device()
        none = np.zeros(len(recordings), dtype=np.int64)
        scores = {}
        for name, trained in self.streams.items():
            inputs = trained.recipe.recording_inputs(recordings, device)
            model, num_classes = trained.model.to(device), len(self.classes)
            found = probabilities(model, inputs, self.predict, num_classes)
            scores[name] = Scores(none.astype(str), none, found)
        return fuse(scores, self.ensemble).probabilities
