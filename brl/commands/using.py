"""The commands of the section `Use what was trained`; see main.py."""

from pathlib import Path
from typing import Any

import click

from brl.commands.command_line import A_FILE, Count, ImageSize


@click.command()
@click.argument("files", metavar="FILES...", type=A_FILE, nargs=-1, required=True)
@click.option(
    "--top",
    metavar="N",
    type=Count(),
    default=3,
    show_default=True,
    help="Show the N most likely classes.",
)
@click.option(
    "--window",
    metavar="FRAMES",
    type=Count(),
    help="Show a timeline, from windows of so many frames.",
)
@click.option(
    "--step",
    metavar="FRAMES",
    type=Count(),
    help="From one window to the next.  [default: half a window]",
)
@click.option(
    "--image-size",
    type=ImageSize(),
    help="Size of the image, for 2D joints in pixels.",
)
@click.option(
    "--from",
    "source",
    metavar="FILE_OR_URL",
    help="A zip of `brl release` instead of this project's streams.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def predict(files: tuple[Path, ...], as_json: bool, **asked: Any) -> None:
    """Recognise recordings with the trained streams.

    FILES are what sensors and pose estimators write (docs/using.md lists the formats), or folders
    of them. A folder of OpenPose's frames is one recording.

    \b
    Examples:
      brl predict recording.npy
      brl predict openpose/ --image-size 1920x1080
      brl predict recordings/ --top 5 --json
      brl predict long.npy --window 64 --step 16
      brl predict --from recognizer.zip recording.npy
    """
    from brl.serving.predict import Request, show

    show(files, Request(**asked), as_json=as_json)


@click.command()
@click.argument("file", type=A_FILE)
def export(file: Path) -> None:
    """Export what was trained as one graph.

    FILE ends in .onnx, or in .pt2 for torch.export.

    \b
    Examples:
      brl export recognizer.onnx
      brl export recognizer.pt2
    """
    from brl.serving.export import export_project

    export_project(file)


@click.command()
def release() -> None:
    """Pack what was trained into one file to pass on.

    release/recognizer.zip has the weights, the graph in ONNX and a card that describes them. With
    it, `brl predict --from` needs no training.

    \b
    Example:
      brl release
    """
    from brl.commands.release import release

    release()


@click.command()
@click.option("--register", metavar="NAME", help="Also register it as a new version of NAME.")
def model(register: str | None) -> None:
    """Log what was trained as a model in MLflow.

    \b
    Examples:
      brl model
      brl model --register gestures
    """
    from brl.serving.mlflow_model import log_project

    log_project(register)


COMMANDS = (predict, export, release, model)
