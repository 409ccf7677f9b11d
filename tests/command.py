"""The commands of `brl`, in this process."""

from click.testing import CliRunner, Result

from brl.commands.main import commands


def brl(*arguments: str) -> Result:
    """Runs a command in the current folder; what is no error of the user's is raised."""
    return CliRunner().invoke(commands, arguments, prog_name="brl", catch_exceptions=False)


def refused(*arguments: str) -> str:
    """The one line that a command ends with, without `error: `."""
    done = brl(*arguments)
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    return done.stderr.removeprefix("error: ").rstrip()
