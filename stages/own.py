"""Stage `own`: lists the user's own clips and notes their name, if the dataset is made of them.

`prepare` depends on the list and not on the folder. So a change in the folder does not prepare
another dataset again, and another name prepares nothing again: only the report shows it.
"""

import hashlib
import json
from pathlib import Path

from brl.config.params import read_params
from brl.datasets.own.description import DESCRIPTION_FILE, read_description
from brl.support.files import is_unfinished, sha256, written_whole
from brl.support.paths import DATASET_NAME, OWN, OWN_LIST, RAW
from brl.support.stage import stage


def main() -> None:
    """Runs the stage."""
    dataset = read_params().dataset
    is_own = dataset.name == "custom"
    is_read = is_own and dataset.mirror is None
    files = sorted(OWN.rglob("[!.]*")) if is_read else []
    files = [file for file in files if file.is_file() and not is_unfinished(file)]
    with written_whole(OWN_LIST) as unfinished:
        digests = {str(file): digest_of(file) for file in files}
        unfinished.write_text(json.dumps(digests, indent=2), encoding="utf-8")
    folder = OWN if is_read else RAW
    name = read_description(folder / DESCRIPTION_FILE).name if is_own else None
    with written_whole(DATASET_NAME) as unfinished:
        # A line even without a name: DVC warns of empty files.
        unfinished.write_text(f"{name or ''}\n", encoding="utf-8")


def digest_of(file: Path) -> str:
    """The hash of a file; of the description that of its content without the name."""
    if file != OWN / DESCRIPTION_FILE:
        return sha256(file)
    content = read_description(file).model_dump_json(exclude={"name"}, exclude_unset=True)
    return hashlib.sha256(content.encode()).hexdigest()


if __name__ == "__main__":
    with stage():
        main()
