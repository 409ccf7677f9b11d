"""Programs that end with the one that started them, and all that they started in turn."""

import os
import signal
import subprocess
import sys
import time
from typing import IO

GRACE_SECONDS = 5.0  # from one signal to the next, harder one
POLL_SECONDS = 0.1


class Processes:
    """Programs in process groups of their own, none of which outlives the `with` block.

    Signals that ask to end are noted and raised as KeyboardInterrupt by `pause`: nowhere else, so
    that no program is started and then forgotten.
    """

    def __enter__(self) -> "Processes":
        self._running: list[subprocess.Popen[bytes]] = []
        self._interrupted = False
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # What is ignored stays ignored: under nohup the closing of the terminal.
        self._handlers = {
            number: handler
            for number in signals
            if (handler := signal.getsignal(number)) is not signal.SIG_IGN
        }
        for number in self._handlers:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._end(self._running)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        self._interrupted = True

    def pause(self) -> None:
        """Waits a moment. Raises KeyboardInterrupt if a signal came."""
        time.sleep(POLL_SECONDS)
        if self._interrupted:
            raise KeyboardInterrupt

    def start(
        self,
        command: list[str],
        environment: dict[str, str] | None = None,
        output: IO[bytes] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Starts a program, by default with this one's environment and output."""
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        self._running.append(process)
        return process

    def exit_code(self, process: "subprocess.Popen[bytes]") -> int | None:
        """None while it runs. What it left running ends with it: a stage without its DVC."""
        if process.poll() is not None and process in self._running:
            self._end([process])
            self._running.remove(process)
        return process.returncode

    def run(self, command: list[str]) -> None:
        """Runs a program to its end; ends this one too where that failed and said why."""
        process = self.start(command)
        while (code := self.exit_code(process)) is None:
            self.pause()
        if code:
            sys.exit(1)

    def _end(self, processes: "list[subprocess.Popen[bytes]]") -> None:
        """First as Ctrl-C does, for which DVC and the stages tidy up; then less kindly."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            processes = [process for process in processes if _signal_group(process, number)]
            deadline = time.monotonic() + GRACE_SECONDS
            while any(_signal_group(process, 0) for process in processes):
                if time.monotonic() > deadline:
                    break
                time.sleep(POLL_SECONDS)


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> bool:
    """Signals a process and what it started; 0 only asks. False when none of them is left."""
    process.poll()
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # the latter on macOS, for one that has ended
        return False
    return True
