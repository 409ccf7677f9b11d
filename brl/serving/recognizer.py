"""Trained streams and their ensemble: class probabilities of raw recordings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from brl.clips.normalize import normalized
from brl.config.params import EnsembleParams, Params, PredictParams
from brl.config.section import StreamName
from brl.mixer.fit import mixed_probabilities
from brl.mixer.network import Mixer
from brl.prediction import probabilities
from brl.scores.fusion import Fitted, fuse, load_fitted, save_fitted, shares
from brl.scores.scores import Scores
from brl.streams.device import best_device, keep_freed_memory
from brl.streams.weights import Recipe, Trained, load_weights, save_weights
from brl.support.errors import UserError
from brl.support.files import written_whole
from brl.support.paths import FUSION, tested_weights

ARTIFACT = "recognizer"  # the name of its folder in an MLflow model
DESCRIPTION = "recognizer.json"
LEARNED = f"ensemble.{FUSION.name}"  # no stream has a dot in its name


class Description(BaseModel):
    """The content of the file that tells how a saved recognizer fuses its streams."""

    streams: list[StreamName]  # part of a file's name: a path could lead out of the folder
    ensemble: EnsembleParams
    predict: PredictParams

    @property
    def weights_files(self) -> list[str]:
        """Names of the files with the streams' weights."""
        return [f"{name}.safetensors" for name in self.streams]

    @property
    def files(self) -> list[str]:
        """Names of all files of a recognizer."""
        return [DESCRIPTION, *self.weights_files, *([LEARNED] if self.ensemble.learns else [])]


@dataclass(frozen=True)
class Recognizer:
    """The trained streams of a pipeline and their ensemble.

    streams     at least one, all trained on the same dataset
    ensemble    how the streams are fused
    predict     how the test views of a recording are chosen
    image_size  height and width in pixels, if 2D joints are in pixels; None: they are already in
                the image frame, from -1 to 1
    fitted      what the ensemble has learned; empty if it does not learn

    Raises UserError where the weights of these streams are all zero, and where a stream sees
    pictures, which recordings of joints have not.
    """

    streams: dict[str, Trained]
    ensemble: EnsembleParams
    predict: PredictParams
    image_size: tuple[float, float] | None = None
    fitted: Fitted = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares(self.streams, self.ensemble)
        for name, trained in self.streams.items():
            if trained.recipe.stream.camera is not None:
                raise UserError(
                    f"the stream {name} sees pictures, and only joints can be recognised, exported "
                    f"or released; take streams.{name} out of params.yaml, then dvc repro"
                )

    @classmethod
    def of_project(
        cls, params: Params, image_size: tuple[float, float] | None = None
    ) -> "Recognizer":
        """The trained streams of this project, with the ensemble of `params`.

        Raises UserError if a stream is not trained, or an ensemble that learns is not fitted.
        """
        files: dict[str, Path] = {stream: tested_weights(stream) for stream in params.streams}
        for file in (*files.values(), *([FUSION] if params.ensemble.learns else [])):
            if not file.exists():
                raise UserError(f"{file} is missing; first: make repro")
        streams = {stream: load_weights(file) for stream, file in files.items()}
        fitted = load_fitted(FUSION) if params.ensemble.learns else {}
        return cls(streams, params.ensemble, params.predict, image_size, fitted)

    @classmethod
    def load(cls, folder: Path) -> "Recognizer":
        """Loads the folder that `save` wrote."""
        about = Description.model_validate_json((folder / DESCRIPTION).read_bytes())
        files = zip(about.streams, about.weights_files, strict=True)
        streams: dict[str, Trained] = {name: load_weights(folder / file) for name, file in files}
        fitted = load_fitted(folder / LEARNED) if about.ensemble.learns else {}
        return cls(streams, about.ensemble, about.predict, fitted=fitted)

    def save(self, folder: Path) -> None:
        """Writes a folder with the weights of each stream, the ensemble and its settings."""
        about = Description.model_validate(
            {"streams": list(self.streams), "ensemble": self.ensemble, "predict": self.predict}
        )
        with written_whole(folder) as unfinished:
            unfinished.mkdir()
            for file, trained in zip(about.weights_files, self.streams.values(), strict=True):
                save_weights(unfinished / file, trained)
            if self.ensemble.learns:
                save_fitted(unfinished / LEARNED, self.fitted)
            text = about.model_dump_json(indent=2) + "\n"
            (unfinished / DESCRIPTION).write_text(text, encoding="utf-8")

    @property
    def recipe(self) -> Recipe:
        """A stream's recipe; layout, normalisation and classes are the same in all streams."""
        return next(iter(self.streams.values())).recipe

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return self.recipe.classes

    def prepared(self, recording: np.ndarray) -> np.ndarray:
        """Prepares a raw recording (M, T, V, K) as for the clip store: (M', T, V, K) float32."""
        recipe = self.recipe
        return normalized(
            recording, recipe.layout, recipe.normalization, recipe.max_bodies, self.image_size
        )

    def probabilities(self, recordings: Sequence[np.ndarray]) -> np.ndarray:
        """Class probabilities (n, C) float32 of n raw recordings (M, T, V, K) of any M and T."""
        return self.prepared_probabilities([self.prepared(recording) for recording in recordings])

    def prepared_probabilities(self, recordings: Sequence[np.ndarray]) -> np.ndarray:
        """Class probabilities (n, C) float32 of n recordings that `prepared` returned."""
        keep_freed_memory()
        device = best_device()
        inputs = {
            name: trained.recipe.recording_inputs(recordings, device)
            for name, trained in self.streams.items()
        }
        if self.ensemble.kind == "mixer":
            mixer = Mixer.of_arrays(self.fitted, self.streams)
            return mixed_probabilities(mixer, self.streams, inputs, self.predict)
        labels = np.zeros(len(recordings), dtype=np.int64)  # unknown, and not used
        scores = {}
        for name, trained in self.streams.items():
            model, num_classes = trained.model.to(device), len(self.classes)
            predicted = probabilities(model, inputs[name], self.predict, num_classes)
            scores[name] = Scores(labels.astype(str), labels, predicted)
        return fuse(scores, self.ensemble, self.fitted).probabilities
