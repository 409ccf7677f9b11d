"""The settings of one training."""

from dataclasses import dataclass

from brl.config.params import MethodParams, ModelParams, Params, TrainParams
from brl.config.pretrain import PretrainParams
from brl.streams.stream import Stream


@dataclass(frozen=True)
class Job:
    """One training: all settings that its result depends on, without the data.

    pretrain: how the encoder that it starts from is pre-trained; None: random initial weights
    """

    stream: Stream
    seed: int
    model: ModelParams
    method: MethodParams
    train: TrainParams
    pretrain: PretrainParams | None = None

    @classmethod
    def of(cls, params: Params, stream: str) -> "Job":
        """The training that params.yaml describes for a stream."""
        return cls(
            stream=Stream.of(params, stream),
            seed=params.seed,
            model=params.model_of(stream),
            method=params.method,
            train=params.train,
            pretrain=params.pretraining if params.streams[stream].weights is None else None,
        )

    @property
    def lr(self) -> float:
        """Peak learning rate."""
        return self.stream.lr or self.train.lr
