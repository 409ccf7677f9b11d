"""Class names of the larger datasets: one text file each, one name per line, in label order."""

from pathlib import Path


def class_names(dataset: str) -> tuple[str, ...]:
    """The class names of a dataset, read from `<dataset>.txt`, in label order."""
    text = (Path(__file__).parent / f"{dataset}.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())
