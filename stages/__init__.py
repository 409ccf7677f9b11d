"""The pipeline's stages, one script each.

DVC runs them with the `python3` that it finds on the path. If that one lacks the project's
packages, since no environment is active, the one in .venv takes over. DVC has removed the outputs
of the stage by then, so an error would cost them.
"""

import os
import sys
from importlib.util import find_spec

# Two threads train the small networks here no faster than one, and beside a busy program on the
# same cores they wait for each other: then a step takes three times as long. And results do not
# depend on the number of cores. Read when torch is loaded, so set before.
os.environ.setdefault("OMP_NUM_THREADS", "1")

PACKAGES = ("torch", "mlflow", "pandas", "pydantic")


def take_over() -> None:
    """Runs the stage with the interpreter in .venv instead, or ends with one line."""
    # Only what old interpreters know, too: they may be the ones that are replaced.
    own = os.path.join(os.environ.get("DVC_ROOT", "."), ".venv", "bin", "python")
    stage, _, stream = os.environ.get("DVC_STAGE", "").partition("@")
    if stage and os.path.exists(own) and not os.environ.get("BRL_TAKEN_OVER"):
        arguments = ["stages." + stage] + ([stream] if stream else [])
        os.environ["BRL_TAKEN_OVER"] = "1"
        os.execv(own, [own, "-m"] + arguments)  # noqa: RUF005
    sys.exit(
        f"error: {sys.executable} lacks packages of this project; activate its environment (make "
        "setup makes one, in .venv), and get back what DVC has removed: dvc checkout"
    )


if sys.version_info < (3, 11) or not all(find_spec(name) for name in PACKAGES):
    take_over()

if "DVC_STAGE" in os.environ:
    # Before the slow imports of the stage, during which DVC may be killed, too.
    from brl.support.launchers import end_with_launcher

    end_with_launcher()
