"""Stage `prepare`: raw files to the clip store."""

from pathlib import Path

from brl.data.prepare import prepare
from brl.data.sources import SOURCES
from brl.errors import one_line_errors
from brl.params import read_params


def main() -> None:
    params = read_params()
    name = params.dataset.name
    prepare(name, SOURCES[name], Path("data/raw"), Path("data/store"), params.prepare.max_bodies)


if __name__ == "__main__":
    with one_line_errors():
        main()
