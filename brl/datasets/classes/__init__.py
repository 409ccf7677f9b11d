"""Class names of the larger datasets: a text file each, one name a line, in label order."""

from pathlib import Path


def class_names(dataset: str) -> tuple[str, ...]:
    """The names in `dataset`.txt."""
    text = (Path(__file__).parent / f"{dataset}.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())
