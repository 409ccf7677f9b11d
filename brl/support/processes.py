"""Which process did something, and whether it still does."""

import platform

import psutil


def this_process() -> str:
    """The machine, the process's number and when it began: unlike any other's."""
    process = psutil.Process()
    return f"{platform.node()} {process.pid} {process.create_time():.0f}"


def is_gone(process: str) -> bool:
    """Whether what `this_process` once said is of this machine and runs no more.

    Of another machine's, or of words that are not like that, nobody can say: False.
    """
    node, *rest = process.rsplit(" ", 2)
    if node != platform.node() or len(rest) < 2:
        return False
    number, began = rest
    try:
        return f"{psutil.Process(int(number)).create_time():.0f}" != began
    except psutil.NoSuchProcess:
        return True
