"""Runs Python programs in forks of itself: the libraries that they import are there already.

A program is what `python3 -m MODULE ...` or `python3 -c CODE ...` would run. The project's own code
is imported by each program anew, from its folder.
"""

import atexit
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
from importlib import import_module

LIBRARIES = (
    "torch",
    "torch._dynamo",  # torch imports it with the first optimiser
    "pandas",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.metrics",
    "sklearn.linear_model",
    "pydantic",
    "ruamel.yaml",
    "jinja2",
    "rich.progress",
    "dvc.repo",
    "dvc.cli",
)


def serve(address: str) -> None:
    """Waits for programs, until the process that started this one ends."""
    for library in LIBRARIES:
        import_module(library)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children that have ended leave no trace
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(16)
    print("ready", flush=True)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while all(key.fileobj is listener for key, _ in selector.select()):
            connection, _ = listener.accept()
            if os.fork() == 0:
                selector.close()
                listener.close()
                run(connection)
            connection.close()


def run(connection: socket.socket) -> None:
    """Runs a program in place of this process; sends its exit code, and ends."""
    message, descriptors, *_ = socket.recv_fds(connection, 2**20, 3)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    request = json.loads(message)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = request["folder"]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    threading.Thread(target=end_with, args=(connection,), daemon=True).start()
    code = exit_code(request["arguments"])
    # As Python ends, but without taking all libraries apart, which takes seconds.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.send(bytes([code]))
    os._exit(code)


def end_with(connection: socket.socket) -> None:
    """Ends this process when the one that asked for it has ended."""
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def exit_code(arguments: list[str]) -> int:
    """Runs `python3` with these arguments."""
    kind, program, *sys.argv[1:] = arguments
    try:
        if kind == "-m":
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            sys.argv[0] = "-c"
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
