"""DVC as `brl` runs it: it ends with `brl`."""

import sys

from brl.support.launchers import end_with_launcher


def main() -> int:
    """Runs DVC with the arguments of this program; returns the exit code."""
    end_with_launcher()
    from dvc.cli import main

    sys.argv[0] = "dvc"  # DVC names it to the processes that it blocks
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
