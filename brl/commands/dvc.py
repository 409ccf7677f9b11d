"""DVC as `brl` runs it: it ends with `brl`, and writes dvc.lock fast, whole or not at all."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brl.support.files import written_whole
from brl.support.launchers import end_with_launcher


def write_yaml_whole(path: str, data: Any, dumper: Callable[..., None], **options: Any) -> None:
    """Writes YAML as DVC does, which would empty the file first."""
    options.pop("fs", None)  # of local files
    with written_whole(Path(path)) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        dumper(data, file, **options)


def mend_lock_file() -> None:
    """Has DVC write dvc.lock whole or not at all, and read it fast before it does.

    DVC reads the file with care for comments, which it never has. That takes a second, after each
    stage.
    """
    from dvc.utils.serialize import _common, _yaml

    _common._dump_data = _yaml._dump_data = write_yaml_whole
    _yaml.parse_yaml_for_update = _yaml.parse_yaml


def main() -> int:
    """Runs DVC with the arguments of this program; returns the exit code."""
    end_with_launcher()
    from dvc.cli import main

    mend_lock_file()
    sys.argv[0] = "dvc"  # DVC names it to the processes that it blocks
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
