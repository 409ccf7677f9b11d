"""Says where a mirror folder has changed since it was fetched: what was fetched is used."""

import sys
from pathlib import Path

from brl.commands.why import files_in_words
from brl.config.params import read_params
from brl.fetching.mirror import changed_files
from brl.support.files import project_root
from brl.support.paths import RAW

RECORD = Path("data/mirror.json")


def warn_of_changes() -> None:
    """Prints one line to stderr if the mirror is a folder and not as it was fetched.

    Of own data all files come from the mirror; of others, some may come from published addresses.
    """
    dataset = read_params().dataset
    if dataset.mirror is None or not (project_root() / dataset.mirror).is_dir():
        return
    own = dataset.name == "custom"
    changed = changed_files(RAW, project_root() / dataset.mirror, RECORD, complete=own)
    for words in files_in_words(changed):
        print(
            f"warning: {dataset.mirror} is not as it was fetched ({words}); take it anew: "
            "brl data --again",
            file=sys.stderr,
        )
