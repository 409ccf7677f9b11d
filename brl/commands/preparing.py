"""The commands of the section `Prepare`; see main.py."""

from pathlib import Path

import click

from brl.commands.command_line import A_FILE, Commands, names_in, streams


@click.command()
@click.argument("name", required=False, shell_complete=names_in("presets"))
@click.option(
    "--method",
    metavar="METHOD",
    shell_complete=names_in("presets/methods"),
    help="A file of presets/methods/, without .yaml.",
)
@click.option(
    "--system",
    metavar="SYSTEM",
    shell_complete=names_in("presets/systems"),
    help="A file of presets/systems/, without .yaml.",
)
@click.option(
    "--mirror",
    metavar="FOLDER_OR_URL",
    type=click.Path(),
    help="Where the dataset's raw files are.",
)
def preset(name: str | None, method: str | None, system: str | None, mirror: str | None) -> None:
    """Put a dataset, a method or a system into params.yaml.

    NAME is a file of presets/, without .yaml. It sets everything except the method: the streams,
    the network and the training, too. METHOD sets the method, the head and the classifier. SYSTEM
    replaces what is special about a published system, such as its streams and its network.

    \b
    Examples:
      brl preset nw_ucla
      brl preset --method brl
      brl preset ntu60_xsub --method brl --mirror ~/downloads
      brl preset nw_ucla --system psumnet
    """
    from brl.config.presets import apply_preset

    apply_preset(name, Path("params.yaml"), mirror, method, system)
    presets = " and ".join(filter(None, (name, method, system)))
    stays = [kind for kind, given in (("dataset", name), ("method", method)) if not given]
    stay = f" {' and '.join(stays).capitalize()} unchanged."
    click.echo(f"params.yaml: {presets}.{stay if stays else ''} Next: make repro")


@click.command()
@click.argument("stream", shell_complete=streams)
@click.argument("file", type=click.Path())
def weights(stream: str, file: str) -> None:
    """Use a published checkpoint for a stream instead of training it.

    FILE `none` removes the checkpoint: the stream is trained again.

    \b
    Examples:
      brl weights joint joint.pth
      brl weights joint none
    """
    from brl.commands.weights import set_weights

    set_weights(stream, file)


@click.command()
@click.option("--deep", is_flag=True, help="Read all results, and name damaged files.")
def check(deep: bool) -> None:
    """Check params.yaml, own data, checkpoints and MLflow's address.

    With --deep, compare raw files, clips, weights and scores with their checksums, too. DVC itself
    looks at times and sizes only. Of a damaged file, the command that brings it back is printed.

    \b
    Examples:
      brl check && brl repro
      brl check --deep
    """
    from brl.config.check import check
    from brl.config.params import read_params
    from brl.tracking.store import check_settings

    check(read_params())
    check_settings()
    click.echo("params.yaml: no mistakes found")
    if deep:
        from brl.commands.damage import compare_all

        compare_all()


@click.group(
    cls=Commands,
    sections={"Own data": ("new", "layout", "from-video")},
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",
)
@click.option("--again", is_flag=True, help="Fetch the raw files again: the mirror has changed.")
@click.pass_context
def data(context: click.Context, again: bool) -> None:
    """Show what the clips are like, and which need attention.

    Downloads and prepares the dataset first, unless that was done. The commands below help with
    data of your own; they prepare nothing.

    \b
    Examples:
      brl preset nw_ucla && brl data
      brl data --again
      brl data new own
    """
    if context.invoked_subcommand is not None:
        if again:
            raise click.UsageError("--again fetches what is prepared: no COMMAND with it")
        return
    from brl.commands import pipeline

    if again:
        pipeline.reproduce("--quiet", "--force", "download")
    pipeline.reproduce("--quiet", "prepare")
    from brl.commands import data, mirror

    mirror.warn_of_changes()
    data.show(Path("reports"))


@data.command()
@click.argument("folder", type=A_FILE)
def new(folder: Path) -> None:
    """Begin dataset.yaml and clips.csv for a folder of recordings.

    Classes come from folders, from words or numbers in names, or from the files themselves; the
    split from folders, or from people, places or days in names; the layout from the lengths of
    bones. Says what it assumed, and what you must fill in. Nothing else is changed.

    \b
    Example:
      brl data new own
    """
    from brl.commands.new import begin

    begin(folder)


@data.command()
@click.argument("file", type=A_FILE)
def layout(file: Path) -> None:
    """Guess which layout the joints of a file have.

    Compares the bones of each known layout with as many joints: their proportions, and how directly
    they join the joints. docs/layouts.md shows all layouts. FILE is a recording.

    \b
    Example:
      brl data layout wave_001.npy
    """
    from brl.commands import layout

    layout.show(file)


@data.command("from-video")
@click.argument("videos", metavar="VIDEOS...", type=A_FILE, nargs=-1, required=True)
@click.option(
    "--pose",
    metavar="FILE",
    type=A_FILE,
    help="Network that finds joints: RTMPose or RTMO, .onnx or .zip.",
)
@click.option(
    "--detector",
    metavar="FILE",
    type=A_FILE,
    help="Network that finds people, for RTMPose: YOLOX or RTMDet.",
)
@click.option(
    "--to",
    "folder",
    metavar="FOLDER",
    type=A_FILE,
    default="own",
    show_default=True,
    help="The folder of own data.",
)
def from_video(
    videos: tuple[Path, ...], pose: Path | None, detector: Path | None, folder: Path
) -> None:
    """Make clips of own data from videos.

    VIDEOS are files, or folders of them; folders inside are classes. Writes the joints of each
    video, and enters it into clips.csv. Clips that are there are not made again, so that an
    interrupted run continues. docs/own_data.md says where to get the networks.

    \b
    Examples:
      brl data from-video videos/ --pose rtmpose-m.onnx --detector yolox_m.onnx
      brl data from-video one.mp4 two.mp4 --pose rtmo-m.onnx --to own
    """
    from brl.commands.from_video import from_video

    from_video(videos, pose, detector, folder)


COMMANDS = (preset, weights, check, data)
