"""Whether a mirror folder still has the files that were fetched from it."""

import filecmp
import json
from pathlib import Path

from brl.support.files import written_whole


def changed_files(raw: Path, mirror: Path, record: Path, *, complete: bool) -> list[str]:
    """Files in `raw` that are others in the mirror folder now, sorted, by their paths in it.

    complete: a file that the mirror lacks is one of them. Contents are compared once: `record`
    keeps size and time of modification of equal files, and until one of these changes they are not
    read again.
    """
    known = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    equal: dict[str, list[list[int]]] = {}
    changed: list[str] = []
    for copy in sorted(path for path in raw.rglob("*") if path.is_file()):
        name = copy.relative_to(raw).as_posix()
        original = mirror / name
        if not original.is_file():
            changed += [name] if complete else []
            continue
        states = [_state(original), _state(copy)]
        if known.get(name) == states or filecmp.cmp(original, copy, shallow=False):
            equal[name] = states
        else:
            changed.append(name)
    if equal != known:
        with written_whole(record) as unfinished:
            unfinished.write_text(json.dumps(equal), encoding="utf-8")
    return changed


def _state(file: Path) -> list[int]:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]
