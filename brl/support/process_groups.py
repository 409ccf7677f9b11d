"""Child processes that end, with their own children, when their parent ends."""

import os
import signal
import subprocess
import sys
import time
from typing import IO

from brl.support.launchers import launched

GRACE_SECONDS = 5.0  # between a signal and the next, stronger one
POLL_SECONDS = 0.1


class Processes:
    """Child processes in process groups of their own; none outlives the `with` block.

    SIGINT, SIGTERM and SIGHUP are only recorded. `pause` raises KeyboardInterrupt for them, and
    nothing else does, so that no child is started and then forgotten.
    """

    def __enter__(self) -> "Processes":
        self._running: list[subprocess.Popen[bytes]] = []
        self._interrupted = False
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # An ignored signal stays ignored: nohup ignores SIGHUP.
        self._handlers = {
            number: handler
            for number in signals
            if (handler := signal.getsignal(number)) is not signal.SIG_IGN
        }
        for number in self._handlers:
            signal.signal(number, self._record_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self._end(self._running)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _record_signal(self, *_: object) -> None:
        self._interrupted = True

    def pause(self) -> None:
        """Waits for POLL_SECONDS. Raises KeyboardInterrupt if a signal has arrived."""
        time.sleep(POLL_SECONDS)
        if self._interrupted:
            raise KeyboardInterrupt

    def start(
        self,
        command: list[str],
        environment: dict[str, str] | None = None,
        output: IO[bytes] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Starts a program, by default with the environment and the output of this process.

        It is told with whom it ends; see `end_with_launcher`.
        """
        process = subprocess.Popen(
            command,
            env=(environment or os.environ) | launched(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        self._running.append(process)
        return process

    def exit_code(self, process: "subprocess.Popen[bytes]") -> int | None:
        """The exit code of a process, or None while it runs.

        Once it has ended, its whole group is ended too: a stage must not outlive its DVC.
        """
        if process.poll() is not None and process in self._running:
            self._end([process])
            self._running.remove(process)
        return process.returncode

    def run(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        """Runs a program to its end. Exits with code 1 if it failed: it has printed why."""
        process = self.start(command, environment)
        while (code := self.exit_code(process)) is None:
            self.pause()
        if code:
            sys.exit(1)

    def _end(self, processes: "list[subprocess.Popen[bytes]]") -> None:
        """Ends process groups: SIGINT first, on which DVC and the stages clean up, then harder."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            processes = [process for process in processes if _signal_group(process, number)]
            deadline = time.monotonic() + GRACE_SECONDS
            while any(_signal_group(process, 0) for process in processes):
                if time.monotonic() > deadline:
                    break
                time.sleep(POLL_SECONDS)


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> bool:
    """Sends a signal to a process group; 0 only tests it. False if no process is left in it."""
    process.poll()
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS raises the latter for an ended process
        return False
    return True
