"""Stage `download`: the dataset's raw files."""

from brl.config.check import check
from brl.config.params import read_params
from brl.datasets.table import source_of
from brl.support.paths import RAW
from brl.support.stage import stage


def main() -> None:
    """Runs the stage."""
    params = read_params()
    check(params)
    source_of(params.dataset.name).fetch(RAW, params.dataset.mirror)


if __name__ == "__main__":
    with stage():
        main()
