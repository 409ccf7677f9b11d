"""Counts the file operations of a process, and kills it before one of them.

Every Python imports it that has this folder on PYTHONPATH. FAULT_FOLDER is the project whose files
count; FAULT_COUNTS a folder with a file for each kind of program, which grows by a byte with each
operation of all its processes. FAULT_AT, such as `stage 12 group`, says before which operation of
which program to kill, and whether the process alone or its group.
"""

import os
import signal
import sys

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "sqlite3.connect")


def program() -> str:
    """What this process is: a stage, a worker of a comparison, DVC, or brl."""
    words = " ".join(sys.orig_argv)
    for name, sign in {"stage": " stages.", "worker": "multiprocessing", "dvc": "dvc"}.items():
        if sign in words:
            return name
    return "brl"


def watch(folder: str, counts: str, at: str) -> None:
    """Looks at each file operation of this process from now on."""
    name = program()
    victim, number, whom = at.split()
    counter = os.open(f"{counts}/{name}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def look(event: str, arguments: tuple) -> None:
        if event not in CHANGES and not (event == "open" and (arguments[2] or 0) & WRITING):
            return
        path = arguments[0]
        if not isinstance(path, str | os.PathLike) or folder not in os.path.abspath(path):
            return
        os.write(counter, b".")
        if victim == name and os.fstat(counter).st_size == int(number):
            kill = os.killpg if whom == "group" else os.kill
            kill(os.getpgrp() if whom == "group" else os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


if "FAULT_FOLDER" in os.environ:
    watch(os.environ["FAULT_FOLDER"], os.environ["FAULT_COUNTS"], os.environ["FAULT_AT"])
