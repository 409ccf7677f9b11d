"""DVC as `brl` runs it: it ends with `brl`, and a full disk does not cost dvc.lock."""

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


def keep_yaml_whole() -> None:
    """Has DVC write YAML whole or not at all."""
    from dvc.utils.serialize import _common, _yaml

    _common._dump_data = _yaml._dump_data = write_yaml_whole


def main() -> int:
    """Runs DVC with the arguments of this program; returns the exit code."""
    end_with_launcher()
    from dvc.cli import main

    keep_yaml_whole()
    sys.argv[0] = "dvc"  # DVC names it to the processes that it blocks
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
