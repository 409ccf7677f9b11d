"""Paths of the pipeline's files, from the project's root. dvc.yaml declares the same ones."""

from pathlib import Path

OWN = Path("own")
OWN_LIST = Path("data/own.json")
DATASET_NAME = Path("data/name.txt")
RAW = Path("data/raw")
STORE = Path("data/store")
PICTURES = Path("data/pictures")
NETWORKS = Path("data/networks")
SUBSET = Path("data/subset")
# The subset without what a learned fusion holds out; all training clips of the split.
TRAINING = Path("data/training/subset")
SPLIT = Path("data/training/split/train.csv")
UNSEEN_CLIPS = Path("data/unseen.csv")
SCORES = Path("scores")
NOTES = Path("made")
FUSED_SCORES = Path("fused/scores.npz")
FUSION = Path("fused/fusion.safetensors")

REPORTS = Path("reports")
DATA_TABLE = REPORTS / "data.csv"
DATA_FINDINGS = REPORTS / "data_check.csv"
PAGE = REPORTS / "index.html"
METRICS = REPORTS / "metrics.json"
RESULTS = REPORTS / "results.csv"
BY_CLASS = REPORTS / "by_class.csv"
BY_CLASS_FIGURE = REPORTS / "by_class.png"
CONFUSION = REPORTS / "confusion.csv"
STREAM_METRICS = REPORTS / "streams"
PROBE = REPORTS / "probe.csv"
LONG_TAIL = REPORTS / "long_tail.png"
COMPARISON_REPORTS = REPORTS / "comparisons"
BENCHMARK_REPORTS = REPORTS / "benchmarks"

RELEASE = Path("release/recognizer.zip")


def pretrained_encoder(stream: str) -> Path:
    """Encoder of a stream as `pretrain` writes it; without a pre-training a line that says so."""
    return Path("pretrained") / f"{stream}.safetensors"


def pretraining_curve(stream: str) -> Path:
    """Curve of a stream's pre-training, a row for each epoch."""
    return Path("pretrained") / f"{stream}.csv"


def trained_weights(stream: str) -> Path:
    """Weights of a stream as `train` writes them."""
    return Path("models") / f"{stream}.safetensors"


def fold_networks(stream: str) -> Path:
    """Folder of a stream's networks that were trained without a fold: N.safetensors of each."""
    return Path("folds") / stream


def unseen_scores(stream: str) -> Path:
    """A stream's scores of training clips by networks that were not trained on them."""
    return Path("unseen") / f"{stream}.npz"


def tested_weights(stream: str) -> Path:
    """Weights of a stream as `classify` writes them: these are tested and served."""
    return Path("classifiers") / f"{stream}.safetensors"


def training_curve(stream: str) -> Path:
    """Training curve of a stream, a row for each epoch."""
    return Path("curves") / f"{stream}.csv"


def stream_scores(stream: str) -> Path:
    """Test scores of a stream."""
    return SCORES / f"{stream}.npz"


def stream_metrics(stream: str) -> Path:
    """Test accuracy of a stream."""
    return STREAM_METRICS / f"{stream}.json"


def stage_note(stage: str, stream: str) -> Path:
    """What made the output of a stage for a stream: see `brl.tracking.notes`."""
    return NOTES / stage / f"{stream}.jsonl"
