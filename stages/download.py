"""Stage `download`: the dataset's raw files."""

from pathlib import Path

from brl.data.sources import SOURCES
from brl.errors import one_line_errors
from brl.params import read_params


def main() -> None:
    dataset = read_params().dataset
    SOURCES[dataset.name].fetch(Path("data/raw"), dataset.mirror)


if __name__ == "__main__":
    with one_line_errors():
        main()
