"""Stage `own`: lists the user's own clips, if the dataset is made of them.

`prepare` depends on the list and not on the folder. So a change in the folder does not prepare
another dataset again.
"""

import json

from brl.config.params import read_params
from brl.support.errors import one_line_errors
from brl.support.files import sha256, written_whole
from brl.support.paths import OWN, OWN_LIST


def main() -> None:
    """Runs the stage."""
    dataset = read_params().dataset
    is_read = dataset.name == "custom" and dataset.mirror is None
    files = sorted(file for file in OWN.rglob("[!.]*") if file.is_file()) if is_read else []
    with written_whole(OWN_LIST) as unfinished:
        digests = {str(file): sha256(file) for file in files}
        unfinished.write_text(json.dumps(digests, indent=2), encoding="utf-8")


if __name__ == "__main__":
    with one_line_errors():
        main()
