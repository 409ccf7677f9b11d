"""Feeds damaged files to the readers, led by the code that they reach: `make fuzz MINUTES=60`.

The readers, and what must hold, are those of tests/test_fuzzing.py; atheris chooses what is drawn.
A file that fails is kept as .fuzz/READER-*, and reproduces the failure. .fuzz/READER/ has the draws
that reached new code, from which the next call goes on, and READER.log what atheris said.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(".fuzz").resolve()
MEASURED = Path("reports/benchmarks/fuzzing.json")
RUNS = re.compile(r"number_of_executed_units: (\d+)")


def main(minutes: float) -> int:
    """Fuzzes one reader after the other; returns 1 if one failed."""
    from tests.test_fuzzing import READERS

    files, failed = 0, False
    for name in READERS:
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
        log = FOLDER / f"{name}.log"
        command = [sys.executable, "-m", "tests.fuzz", str(minutes * 60 / len(READERS)), name]
        with log.open("wb") as file:
            ended = subprocess.run(command, stdout=file, stderr=file, check=False)
        runs = RUNS.search(log.read_text(encoding="utf-8", errors="replace"))
        files += int(runs[1]) if runs else 0
        result = f"FAILED, see {log}" if ended.returncode else "read or refused"
        print(f"{name}: {runs[1] if runs else 'unknown'} files, {result}", flush=True)
        failed |= bool(ended.returncode)
    figures = {"damaged files read": files, "minutes of fuzzing": round(minutes)}
    MEASURED.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return int(failed)


def fuzz(seconds: float, name: str) -> None:
    """Fuzzes a reader in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["brl"]):
        from tests.test_fuzzing import READERS
    from hypothesis import given, settings

    reader = READERS[name]

    @settings(deadline=None, database=None)
    @given(reader.files())
    def holds(content: bytes) -> None:
        try:
            reader.holds(content)
        except BaseException:
            digest = hashlib.sha256(content).hexdigest()[:8]
            (FOLDER / f"{name}-{digest}-{reader.name}").write_bytes(content)
            raise

    options = {
        "max_total_time": round(seconds),
        "artifact_prefix": f"{FOLDER / name}.draw-",
        "timeout": 60,
        "rss_limit_mb": 4096,
        "print_final_stats": 1,
    }
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        arguments = [f"-{option}={value}" for option, value in options.items()]
        atheris.Setup([name, *arguments, str(FOLDER / name)], holds.hypothesis.fuzz_one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.exit(main(float(sys.argv[1])))
    fuzz(float(sys.argv[1]), sys.argv[2])
