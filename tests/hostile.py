"""Files made to do harm: their readers are watched in a process of their own."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

from tests.reference import shared

SECONDS = 10

# Reads each file of a list, with 1.25 GB more memory than before and 10 seconds of a processor.
WATCHED = """
import importlib, json, resource, sys
from pathlib import Path
from brl.support.errors import UserError

module, name = sys.argv[1].split(":")
read = getattr(importlib.import_module(module), name)
for line in sys.stdin:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 2**30 + 2**28, resource.RLIM_INFINITY))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    try:
        read(Path(line.strip()))
        message = "read"
    except UserError as error:
        message = str(error)
    print(json.dumps(message), flush=True)
"""


def watched(reader: str, files: list[Path]) -> list[str]:
    """What a reader, as `module:function`, says of each file, or that it was read.

    The test fails where the reader does not keep to memory and time, or ends in a traceback.
    """

    told = subprocess.run(
        [sys.executable, "-c", WATCHED, reader, str(SECONDS)],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr[-2000:]
    return [json.loads(line) for line in told.stdout.splitlines()]


def case(name: str) -> Path:
    """A file of the shared cases; the test is skipped without them."""
    return shared(f"cases/hostile/{name}")


def text(word: str) -> bytes:
    """The instruction that pushes a text."""
    return b"X" + len(word).to_bytes(4, "little") + word.encode()


DOUBLED = b")" + b"2\x86" * 60  # a tuple of two equal tuples, and so on: 2 ** 60 of them
COLLIDING = b"".join(
    b"\x8a" + bytes([len(key)]) + key + b"N"
    for number in range(1, 60_000)
    for key in [pickle.encode_long(number * (2**61 - 1))]
)

PICKLES = {
    "a place far up in the table": b"\x80\x04Nr\xff\xff\xff\xff.",
    "the same in words": b"Np4294967295\n.",
    "bytes that are not there": b"\x80\x04\x8e" + (2**33).to_bytes(8, "little") + b"a.",
    "an array of bytes that are not there": b"\x80\x05\x96" + (2**33).to_bytes(8, "little") + b".",
    "a frame that is not there": b"\x80\x04\x95" + (2**33).to_bytes(8, "little") + b".",
    "a key that takes for ever to hash": b"\x80\x04}" + DOUBLED + b"Ns.",
    "the same in a set": b"\x80\x04\x8f(" + DOUBLED + b"\x90.",
    "the same in a frozen set": b"\x80\x04(" + DOUBLED + b"\x91.",
    "the same in a set that is called": b"cbuiltins\nset\n(]" + DOUBLED + b"atR.",
    "the same in an object": b"(cbuiltins\nset\n(" + DOUBLED + b"lo.",
    "a value that takes for ever to show": b"\x80\x04" + DOUBLED + b".",
    "a list that holds itself": b"\x80\x04]q\x00h\x00a.",
    "a deep list": b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "keys of one hash": b"\x80\x04}(" + COLLIDING + b"u.",
    "bytes again and again": b"\x80\x04(" + text("a" * 2**20) + b"q\x00"
    + b"c_codecs\nencode\n(h\x00Vlatin1\ntR" * 4000 + b"t.",
    "more digits than can be shown": b"\x80\x04\x8b\x10\x27\0\0" + b"1" * 10_000 + b".",
}  # fmt: skip
